{{/* A timer into the Broker: (dict "root" $ "name" "..." "schedule" "..."). */}}
{{- define "freshet.timer" -}}
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata:
  name: {{ include "freshet.fullname" .root }}-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "freshet.labels" (list .root .name) | nindent 4 }}
spec:
  schedule: {{ .schedule | quote }}
  sink:
    ref:
      apiVersion: eventing.knative.dev/v1
      kind: Broker
      name: {{ include "freshet.broker.name" .root }}
{{- end -}}

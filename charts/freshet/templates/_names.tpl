{{/* The release's full name. Short enough that every name made from it has at most 63 characters, those of revisions too. */}}
{{- define "freshet.fullname" -}}
{{- $name := .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if .Values.nameOverride -}}
{{- $name = printf "%s-%s" .Release.Name .Values.nameOverride -}}
{{- end -}}
{{- if gt (len $name) 40 -}}
{{- printf "%s-%s" (trunc 31 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{- define "freshet.broker.name" -}}
{{- .Values.broker.name | default (include "freshet.fullname" .) -}}
{{- end -}}

{{- define "freshet.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "freshet.fullname" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "freshet.testSecretName" -}}
{{- .Values.helmTest.existingSecret | default (printf "%s-test" (include "freshet.fullname" .)) -}}
{{- end -}}

{{/* A topic of this release: (list $ "own value" "suffix"). */}}
{{- define "freshet.topic" -}}
{{- $root := index . 0 -}}
{{- index . 1 | default (printf "%s.%s.%s" $root.Release.Namespace (include "freshet.fullname" $root) (index . 2)) -}}
{{- end -}}
{{- define "freshet.broker.topic" -}}{{ include "freshet.topic" (list . .Values.broker.topic "events") }}{{- end -}}
{{/* The topic that the Broker's events are in; Knative names one that the Broker makes itself. */}}
{{- define "freshet.broker.actualTopic" -}}
{{- if and .Values.broker.create .Values.broker.externalTopic -}}
{{- include "freshet.broker.topic" . -}}
{{- else -}}
{{- .Values.broker.topic | default (printf "knative-broker-%s-%s" .Release.Namespace (include "freshet.broker.name" .)) -}}
{{- end -}}
{{- end -}}
{{- define "freshet.deadLetters.topic" -}}{{ include "freshet.topic" (list . .Values.deadLetters.topic "dead-letters") }}{{- end -}}
{{- define "freshet.topic.group" -}}{{ .Release.Namespace }}.{{ include "freshet.fullname" . }}.worker{{- end -}}
{{- define "freshet.topic.name" -}}{{ include "freshet.topic" (list . .Values.topic.name "payloads") }}{{- end -}}

{{/* The labels by which pods are found; they never change, so that no revision is made for a new chart: (list $ "component"). */}}
{{- define "freshet.podLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: freshet
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: freshet
{{- end -}}

{{/* The labels of an object: (list $ "component"). */}}
{{- define "freshet.labels" -}}
{{- $root := index . 0 -}}
{{ include "freshet.podLabels" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The address of a stage inside the cluster: (list $ "stage"). */}}
{{- define "freshet.stage.url" -}}
{{- $root := index . 0 -}}
http://{{ include "freshet.fullname" $root }}-{{ index . 1 }}.{{ $root.Release.Namespace }}.svc.{{ $root.Values.knative.clusterDomain }}
{{- end -}}

{{/* Where stages publish to. */}}
{{- define "freshet.broker.url" -}}
{{- if .Values.broker.url -}}
{{- .Values.broker.url -}}
{{- else -}}
{{- $host := ternary "kafka-broker-ingress" "broker-ingress" (eq .Values.broker.class "Kafka") -}}
http://{{ $host }}.{{ .Values.knative.eventingNamespace }}.svc.{{ .Values.knative.clusterDomain }}/{{ .Release.Namespace }}/{{ include "freshet.broker.name" . }}
{{- end -}}
{{- end -}}

{{- define "freshet.deadLetters.sink" -}}
{{- .Values.deadLetters.sink | default (ternary "kafka" "service" (eq .Values.broker.class "Kafka")) -}}
{{- end -}}

{{/* A value as text: Helm reads whole numbers of a file as floats, which print as 1e+06. */}}
{{- define "freshet.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{/* A Trigger with its whole delivery block, for a block of its own replaces the Broker's:
     (dict "root" $ "name" "..." "stage" "..." "filter" map "delivery" "payloads" or "hints"). The name is the consumer group: it never
     changes. */}}
{{- define "freshet.trigger" -}}
{{- $root := .root -}}
{{- $delivery := get $root.Values.delivery .delivery -}}
{{- $traits := get ($root.Files.Get "files/topology.yaml" | fromYaml).deliveries .delivery -}}
{{- $fullname := include "freshet.fullname" $root -}}
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "freshet.labels" (list $root .stage) | nindent 4 }}
spec:
  broker: {{ include "freshet.broker.name" $root }}
  filter:
    attributes:
      {{- toYaml .filter | nindent 6 }}
  subscriber:
    ref:
      apiVersion: serving.knative.dev/v1
      kind: Service
      name: {{ $fullname }}-{{ .stage }}
  delivery:
    timeout: PT{{ int $root.Values.delivery.timeoutSeconds }}S
    retry: {{ int $delivery.retry }}
    backoffPolicy: linear
    backoffDelay: PT{{ divf $delivery.backoffDelayMs 1000 }}S
    {{- if $traits.deadLetters }}
    deadLetterSink:
      ref:
        {{- if eq (include "freshet.deadLetters.sink" $root) "kafka" }}
        apiVersion: eventing.knative.dev/v1alpha1
        kind: KafkaSink
        name: {{ $fullname }}-dead-letters
        {{- else }}
        apiVersion: serving.knative.dev/v1
        kind: Service
        name: {{ $fullname }}-dead-letter
        {{- end }}
    {{- end }}
{{- end -}}

{{/* The consumer groups of the Triggers that deliver payloads, by Knative's default templates of names: TOPIC:GROUP,...
     Empty where the Broker is none of class Kafka, or Kafka is not known. */}}
{{- define "freshet.payloadGroups" -}}
{{- if and (eq .Values.broker.class "Kafka") .Values.kafka.bootstrapServers -}}
{{- $topic := printf "knative-broker-%s-%s" .Release.Namespace (include "freshet.broker.name" .) -}}
{{- $triggers := list (printf "%s-transform-payloads" (include "freshet.fullname" .)) -}}
{{- range $name, $source := (include "freshet.pipeline" . | fromJson).sources -}}
{{- if $source.events -}}
{{- $triggers = append $triggers (include "freshet.eventsName" (list $ $name)) -}}
{{- end -}}
{{- end -}}
{{- $groups := list -}}
{{- range $triggers -}}
{{- $groups = append $groups (printf "%s:knative-trigger-%s-%s" $topic $.Release.Namespace .) -}}
{{- end -}}
{{- join "," $groups -}}
{{- end -}}
{{- end -}}

{{/* Whether a stage speaks Kafka itself: (list $ traits), the traits being a stage's of files/topology.yaml; empty if not. */}}
{{- define "freshet.stage.kafka" -}}
{{- $root := index . 0 -}}
{{- $there := dict "payloads" (eq $root.Values.mode "topic") "deadLetters" (eq (include "freshet.deadLetters.sink" $root) "kafka") "triggers" (include "freshet.payloadGroups" $root) -}}
{{- range (index . 1).kafka -}}
{{- if get $there . -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whom a stage prewarms: (list $ "stage"). In topic mode the worker does what `transform` does, and always runs. */}}
{{- define "freshet.env.prewarm" -}}
{{- $root := index . 0 -}}
{{- $stage := index . 1 -}}
{{- $urls := dict -}}
{{- range ($root.Files.Get "files/topology.yaml" | fromYaml).prewarms -}}
{{- if and $root.Values.prewarm.enabled (eq .stage $stage) (not (and (eq .next "transform") (eq $root.Values.mode "topic"))) -}}
{{- $_ := set $urls .variable (append (get $urls .variable | default list) (include "freshet.stage.url" (list $root .next))) -}}
{{- end -}}
{{- end -}}
{{- range $variable, $addresses := $urls }}
- name: {{ $variable }}
  value: {{ join "," $addresses | quote }}
{{- end }}
{{- end -}}

{{/* The credentials that a part of the pipeline names: (list $ "sources" or "receivers"). */}}
{{- define "freshet.env.credentials" -}}
{{- $root := index . 0 -}}
{{- $secrets := deepCopy $root.Values.secretEnv -}}
{{- $names := (include "freshet.references" (list "env" (get (include "freshet.pipeline" $root | fromJson) (index . 1))) | fromYaml).names -}}
{{- if and (eq (index . 1) "sources") $root.Values.helmTest.enabled -}}
{{- $_ := set $secrets "FRESHET_TEST_TOKEN" (dict "secret" (include "freshet.testSecretName" $root) "key" "token") -}}
{{- $names = append $names "FRESHET_TEST_TOKEN" | uniq | sortAlpha -}}
{{- end -}}
{{- range $name := $names }}
{{- with get $secrets $name }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether a stage speaks Kafka itself: (list $ traits), the traits being a stage's of files/topology.yaml; empty if not. */}}
{{- define "freshet.stage.kafka" -}}
{{- $root := index . 0 -}}
{{- $there := dict "payloads" (eq $root.Values.mode "topic") "deadLetters" (eq (include "freshet.deadLetters.sink" $root) "kafka") "triggers" (eq $root.Values.broker.class "Kafka") -}}
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

{{/* The credentials that a part of the pipeline names: (dict "root" $ "part" map). */}}
{{- define "freshet.env.credentials" -}}
{{- $root := .root -}}
{{- range (include "freshet.references" (list "env" .part) | fromYaml).names }}
{{- $secret := get $root.Values.secretEnv . }}
{{- if and (eq . "FRESHET_TEST_TOKEN") $root.Values.helmTest.enabled }}
- name: FRESHET_TEST_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ include "freshet.testSecretName" $root }}, key: token}
{{- else if $secret }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: {name: {{ $secret.secret }}, key: {{ $secret.key }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether a stage speaks Kafka itself: (list $ "stage"); empty if not. */}}
{{- define "freshet.stage.kafka" -}}
{{- $root := index . 0 -}}
{{- $stage := index . 1 -}}
{{- if or (and (has $stage (list "ingest" "transform")) $root.Values.kafkaWay.enabled) (and (eq $stage "dead-letter") (eq (include "freshet.deadLetters.sink" $root) "kafka")) -}}
yes
{{- end -}}
{{- end -}}

{{/* Whom a stage wakes: (list $ "stage"). On the Kafka way the worker does what the Service `transform` does, and always runs. */}}
{{- define "freshet.env.prewarm" -}}
{{- $root := index . 0 -}}
{{- $stage := index . 1 -}}
{{- $urls := dict -}}
{{- range ($root.Files.Get "files/topology.yaml" | fromYaml).wakes -}}
{{- if and $root.Values.prewarm.enabled (eq .stage $stage) (not (and (eq .next "transform") $root.Values.kafkaWay.enabled)) -}}
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

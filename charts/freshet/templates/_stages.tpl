{{/* Whether a stage speaks Kafka itself: (list $ "stage"); empty if not. */}}
{{- define "freshet.stage.kafka" -}}
{{- $root := index . 0 -}}
{{- $stage := index . 1 -}}
{{- if or (and (eq $stage "ingest") $root.Values.kafkaWay.enabled) (and (eq $stage "dead-letter") (eq (include "freshet.deadLetters.sink" $root) "kafka")) -}}
yes
{{- end -}}
{{- end -}}

{{/* Whom a stage wakes: only whom its own work surely needs. (dict "root" $ "stage" "..." "next" list "pipeline" map) */}}
{{- define "freshet.env.wakeAhead" -}}
{{- $root := .root -}}
{{- $urls := list -}}
{{- range .next -}}
{{- $needed := true -}}
{{- if eq . "transform" -}}{{- $needed = not $root.Values.kafkaWay.enabled -}}{{- end -}}
{{- if eq . "alert" -}}{{- $needed = $.pipeline.rules -}}{{- end -}}
{{- if eq . "notify" -}}{{- $needed = and $.pipeline.rules $.pipeline.channels -}}{{- end -}}
{{- if $needed -}}{{- $urls = append $urls (include "freshet.stage.url" (list $root .)) -}}{{- end -}}
{{- end -}}
{{- if and $root.Values.wakeAhead.enabled $urls }}
- name: WAKE_AHEAD_URLS
  value: {{ join "," $urls | quote }}
{{- end }}
{{- end -}}

{{/* The credentials that a part of the pipeline names: (dict "root" $ "part" map). */}}
{{- define "freshet.env.credentials" -}}
{{- $root := .root -}}
{{- range (include "freshet.envNames" .part | fromYaml).names }}
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

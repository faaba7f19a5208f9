{{/* The mode: where none is named, what loses nothing with the Broker's class. */}}
{{- define "freshet.mode" -}}
{{- .Values.mode | default (ternary "broker" "direct" (eq .Values.broker.class "Kafka")) -}}
{{- end -}}

{{/* Whether a stage is installed: (list $ "stage"). One that does a job may be left out. Empty if not. */}}
{{- define "freshet.stage.enabled" -}}
{{- $traits := get ((index . 0).Files.Get "files/topology.yaml" | fromYaml).stages (index . 1) -}}
{{- if or (not $traits.job) (get (index . 0).Values.jobs (index . 1)).enabled -}}yes{{- end -}}
{{- end -}}

{{/* The jobs that are done, with commas between them; `none` where there is none. */}}
{{- define "freshet.jobs" -}}
{{- $jobs := list -}}
{{- range $stage, $traits := (.Files.Get "files/topology.yaml" | fromYaml).stages -}}
{{- if and $traits.job (include "freshet.stage.enabled" (list $ $stage)) -}}{{- $jobs = append $jobs $stage -}}{{- end -}}
{{- end -}}
{{- join "," $jobs | default "none" -}}
{{- end -}}

{{/* Whether the worker reads the topic of payloads: in topic mode, and until what that has left is read. Empty if not. */}}
{{- define "freshet.readsOwnTopic" -}}
{{- if or (eq (include "freshet.mode" .) "topic") .Values.topic.draining -}}yes{{- end -}}
{{- end -}}

{{/*
What a stage is given, as JSON: (list $ "stage"). In direct mode `ingest` stores payloads; and where the Broker keeps nothing,
`dead-letter` stores those that it would send back.
*/}}
{{- define "freshet.stage.traits" -}}
{{- $root := index . 0 -}}
{{- $stage := index . 1 -}}
{{- $traits := deepCopy (get ($root.Files.Get "files/topology.yaml" | fromYaml).stages $stage) -}}
{{- $_ := set $traits "scratch" $traits.database -}}
{{- if eq (include "freshet.mode" $root) "direct" -}}
{{- if eq $stage "ingest" -}}{{- $_ := set $traits "database" true -}}{{- end -}}
{{- if and (eq $stage "dead-letter") (ne $root.Values.broker.class "Kafka") -}}
{{- $_ := set $traits "persists" true -}}
{{- $_ := set $traits "pipeline" true -}}
{{- end -}}
{{- end -}}
{{- $traits | toJson -}}
{{- end -}}

{{/* What a stage speaks Kafka for itself, as a JSON list: (list $ traits), the traits being those of files/topology.yaml. */}}
{{- define "freshet.stage.kafka" -}}
{{- $root := index . 0 -}}
{{- $triggers := and (eq $root.Values.broker.class "Kafka") (ne $root.Values.kafka.bootstrapServers "") -}}
{{- $there := dict "payloads" (ne (include "freshet.readsOwnTopic" $root) "") "deadLetters" (eq (include "freshet.deadLetters.sink" $root) "kafka") "triggers" $triggers -}}
{{- $uses := list -}}
{{- range (index . 1).kafka -}}
{{- if get $there . -}}{{- $uses = append $uses . -}}{{- end -}}
{{- end -}}
{{- $uses | toJson -}}
{{- end -}}

{{/* The topics of others that sources read, as a JSON list of what `kafka` of each says. */}}
{{- define "freshet.sourceTopics" -}}
{{- $topics := list -}}
{{- range (include "freshet.pipeline.own" . | fromJson).pipeline.sources -}}
{{- if and (kindIs "map" .) (kindIs "map" .kafka) -}}{{- $topics = append $topics .kafka -}}{{- end -}}
{{- end -}}
{{- $topics | toJson -}}
{{- end -}}

{{/* Whether `worker` runs: where it reads the topic of payloads, or one of others. Empty if not. */}}
{{- define "freshet.hasWorker" -}}
{{- if or (include "freshet.readsOwnTopic" .) (include "freshet.sourceTopics" . | fromJsonArray) -}}yes{{- end -}}
{{- end -}}

{{/* Whom a stage prewarms: (list $ "stage"). */}}
{{- define "freshet.env.prewarm" -}}
{{- $root := index . 0 -}}
{{- $stage := index . 1 -}}
{{- $urls := dict -}}
{{- range ($root.Files.Get "files/topology.yaml" | fromYaml).prewarms -}}
{{- if and $root.Values.prewarm.enabled (eq .stage $stage) (has (include "freshet.mode" $root) .modes) -}}
{{- $_ := set $urls .variable (append (get $urls .variable | default list) (include "freshet.stage.url" (list $root .next))) -}}
{{- end -}}
{{- end -}}
{{- range $variable, $addresses := $urls }}
- name: {{ $variable }}
  value: {{ join "," $addresses | quote }}
{{- end }}
{{- end -}}

{{/* The consumer group of a Trigger as TOPIC:GROUP, after Knative's `triggers.consumergroup.template`: (list $ "trigger"). */}}
{{- define "freshet.payloadGroup" -}}
{{- $root := index . 0 -}}
{{- printf "%s:knative-trigger-%s-%s" (include "freshet.broker.actualTopic" $root) $root.Release.Namespace (index . 1) -}}
{{- end -}}

{{/* The consumer groups that payloads wait for, of the Triggers to `transform`: TOPIC:GROUP, with commas between them. */}}
{{- define "freshet.payloadGroups" -}}
{{- $root := . -}}
{{- $triggers := list -}}
{{- range $name, $subscription := (.Files.Get "files/topology.yaml" | fromYaml).subscriptions -}}
{{- if and (eq $subscription.stage "transform") (eq $subscription.delivery "payloads") -}}{{- $triggers = append $triggers (printf "%s-%s" (include "freshet.fullname" $root) $name) -}}{{- end -}}
{{- end -}}
{{- range $name, $source := (include "freshet.pipeline" . | fromJson).sources -}}
{{- if $source.events -}}{{- $triggers = append $triggers (include "freshet.eventsName" (list $root $name)) -}}{{- end -}}
{{- end -}}
{{- $groups := list -}}
{{- range $triggers -}}
{{- $groups = append $groups (include "freshet.payloadGroup" (list $root .)) -}}
{{- end -}}
{{- join "," $groups -}}
{{- end -}}

{{/* The credentials that parts of the pipeline name: (list $ (list "sources" "receivers")), "topics" for those that sources read, or "canaryToken". */}}
{{- define "freshet.env.credentials" -}}
{{- $root := index . 0 -}}
{{- $secrets := deepCopy $root.Values.secretEnv -}}
{{- $pipeline := include "freshet.pipeline" $root | fromJson -}}
{{- range $_, $source := $pipeline.sources -}}
{{- if kindIs "map" $source -}}{{- $_ := unset $source "kafka" -}}{{- end -}}
{{- end -}}
{{- $_ := set $pipeline "topics" (include "freshet.sourceTopics" $root | fromJsonArray) -}}
{{- $parts := dict -}}
{{- $_ := set $pipeline "canaryToken" (dig "secret" dict ($pipeline.canary | default dict)) -}}
{{- range (index . 1) -}}{{- $_ := set $parts . (get $pipeline .) -}}{{- end -}}
{{- /* The canary is a source too. */}}
{{- if has "sources" (index . 1) -}}{{- $_ := set $parts "canaryToken" $pipeline.canaryToken -}}{{- end -}}
{{- $names := (include "freshet.references" (list "env" $parts) | fromJson).names -}}
{{- if and (or (has "sources" (index . 1)) (has "canaryToken" (index . 1))) (include "freshet.test.hasCanary" $root) -}}
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

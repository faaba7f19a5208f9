{{/* The topics that the migration Job makes where they are missing, as a list under `topics`, each as `freshet migrate --topic` takes it. */}}
{{- define "freshet.migrate.topics" -}}
{{- $topics := list -}}
{{- if .Values.kafka.createTopics -}}
{{- if and .Values.broker.create (eq .Values.broker.class "Kafka") .Values.broker.externalTopic -}}
{{- $topics = append $topics (printf "%s:%d:%d" (include "freshet.broker.topic" .) (int .Values.broker.partitions) (int .Values.broker.replicationFactor)) -}}
{{- end -}}
{{- if eq (include "freshet.deadLetters.sink" .) "kafka" -}}
{{- $topics = append $topics (printf "%s:%d:%d" (include "freshet.deadLetters.topic" .) (int .Values.deadLetters.partitions) (int .Values.deadLetters.replicationFactor)) -}}
{{- end -}}
{{- if include "freshet.readsOwnTopic" . -}}
{{- $own := printf "%s:%d:%d" (include "freshet.topic.name" .) (int .Values.topic.partitions) (int .Values.topic.replicationFactor) -}}
{{- with .Values.topic.retention -}}{{- $own = printf "%s:%s" $own . -}}{{- end -}}
{{- $topics = append $topics $own -}}
{{- end -}}
{{- end -}}
{{- dict "topics" $topics | toYaml -}}
{{- end -}}

{{/* The consumer groups that begin at the start of a topic that this Job makes, as a list of TOPIC:GROUP under `groups`: what `ingest`
     has answered with a 2xx before Knative looked at the Trigger would be behind it. A Trigger of foreign events begins where it is
     made, as Triggers do. */}}
{{- define "freshet.migrate.groups" -}}
{{- $groups := list -}}
{{- if and .Values.kafka.createTopics .Values.broker.create (eq .Values.broker.class "Kafka") .Values.broker.externalTopic -}}
{{- $groups = list (include "freshet.payloadGroup" (list . (printf "%s-transform-payloads" (include "freshet.fullname" .)))) -}}
{{- end -}}
{{- dict "groups" $groups | toYaml -}}
{{- end -}}

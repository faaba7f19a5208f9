{{/* What no schema can say: sums that must hold, and settings that need or exclude each other. Every mistake at once. */}}
{{- define "freshet.refusals" -}}
{{- include "freshet.capabilities" . -}}
{{- $mistakes := list -}}
{{- range list "freshet.refusals.pipeline" "freshet.refusals.connections" "freshet.refusals.kafka" "freshet.refusals.delivery" "freshet.refusals.sums" "freshet.refusals.stages" -}}
{{- range (include . $ | fromYaml).mistakes -}}
{{- $mistakes = append $mistakes . -}}
{{- end -}}
{{- end -}}
{{- if $mistakes -}}
{{- fail (printf "\n\n  - %s\n" (join "\n  - " $mistakes)) -}}
{{- end -}}
{{- end -}}

{{- define "freshet.refusals.pipeline" -}}
{{- $mistakes := list -}}
{{- if and .Values.pipeline .Values.pipelineFile -}}
{{- $mistakes = append $mistakes "pipeline and pipelineFile are both set: the pipeline is one or the other" -}}
{{- end -}}
{{- $parsed := include "freshet.pipeline.own" . | fromJson -}}
{{- with $parsed.mistake -}}
{{- $mistakes = append $mistakes . -}}
{{- end -}}
{{- $own := $parsed.pipeline -}}
{{- if and .Values.jobs.report.enabled (not $own.reports) -}}
{{- $mistakes = append $mistakes "jobs.report: there is nothing to do without pipeline.reports" -}}
{{- end -}}
{{- if and .Values.jobs.report.enabled (dig "storage" "folder" "" ($own.reports | default dict)) -}}
{{- $mistakes = append $mistakes "pipeline.reports.storage.folder: a pod keeps nothing; take s3" -}}
{{- end -}}
{{- if and .Values.jobs.canary.enabled (not (dig "url" "" ($own.canary | default dict))) -}}
{{- $mistakes = append $mistakes "jobs.canary: there is nothing to do without pipeline.canary.url" -}}
{{- end -}}
{{- if and (not $own.sources) (not $own.canary) (not .Values.helmTest.enabled) -}}
{{- $mistakes = append $mistakes "pipeline.sources is empty: there is nothing to take in" -}}
{{- end -}}
{{- $parts := list ($own.sources | default dict) ($own.receivers | default dict) ($own.reports | default dict) ($own.canary | default dict) -}}
{{- $files := include "freshet.references" (list "file" $parts) | fromJson -}}
{{- $variables := include "freshet.references" (list "env" $parts) | fromJson -}}
{{- range $kind, $references := dict "file" $files "env" $variables -}}
{{- range $references.unclear -}}
{{- $mistakes = append $mistakes (printf "the pipeline names {%s: %s}, which is no text for Helm: it reads an unquoted NO, ON or YES as a truth value, and 012 as a number. Write it in quotes: {%s: \"NO\"}" $kind . $kind) -}}
{{- end -}}
{{- end -}}
{{- range $name, $source := $own.sources -}}
{{- if kindIs "map" $source -}}
{{- with $source.events -}}
{{- if not (and (kindIs "map" .) (kindIs "string" .type)) -}}
{{- $mistakes = append $mistakes (printf "pipeline.sources.%s.events: its type is no text for Helm: write it in quotes" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $path := $files.names -}}
{{- $mounted := false -}}
{{- range $.Values.secretFiles -}}{{- if hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $path -}}{{- $mounted = true -}}{{- end -}}{{- end -}}
{{- if not $mounted -}}
{{- $mistakes = append $mistakes (printf "the pipeline names {file: %s}, which no stage would have: add secretFiles.NAME={secret: ..., mountPath: %s}" $path (dir $path)) -}}
{{- end -}}
{{- end -}}
{{- if not .Values.extraEnvFrom -}}
{{- range $variables.names -}}
{{- if not (hasKey $.Values.secretEnv .) -}}
{{- $mistakes = append $mistakes (printf "the pipeline names {env: %s}, which no stage would have: add secretEnv.%s={secret: ..., key: ...}, or extraEnvFrom" . .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "mistakes" $mistakes | toYaml -}}
{{- end -}}

{{- define "freshet.refusals.connections" -}}
{{- $mistakes := list -}}
{{- if not .Values.database.existingSecret -}}
{{- $mistakes = append $mistakes "database.existingSecret is not set: name the Secret that holds the database's URL (its key is database.key, `uri`)" -}}
{{- end -}}
{{- if and (not .Values.broker.create) (not .Values.broker.name) -}}
{{- $mistakes = append $mistakes "broker.create is false and broker.name is not set: name the Broker of this namespace" -}}
{{- end -}}
{{- if and .Values.broker.topicConfig (or .Values.broker.externalTopic (ne .Values.broker.class "Kafka")) -}}
{{- $mistakes = append $mistakes "broker.topicConfig is for a topic that the Broker makes itself: broker.class=Kafka and broker.externalTopic=false" -}}
{{- end -}}
{{- dict "mistakes" $mistakes | toYaml -}}
{{- end -}}

{{- define "freshet.refusals.kafka" -}}
{{- $mistakes := list -}}
{{- $kafka := .Values.kafka -}}
{{- $security := $kafka.security -}}
{{- $why := list -}}
{{- if and .Values.broker.create (eq .Values.broker.class "Kafka") -}}{{- $why = append $why "the Broker of class Kafka" -}}{{- end -}}
{{- if eq (include "freshet.deadLetters.sink" .) "kafka" -}}{{- $why = append $why "dead letters in Kafka" -}}{{- end -}}
{{- if include "freshet.readsOwnTopic" . -}}{{- $why = append $why "topic mode" -}}{{- end -}}
{{- if and $why (not $kafka.bootstrapServers) -}}
{{- $mistakes = append $mistakes (printf "kafka.bootstrapServers is not set, and is needed for %s" (join " and " $why)) -}}
{{- end -}}
{{- if and (hasPrefix "SASL_" $security.protocol) (not (and $security.saslMechanism $security.existingSecret)) -}}
{{- $mistakes = append $mistakes (printf "kafka.security.protocol %s needs saslMechanism and existingSecret" $security.protocol) -}}
{{- end -}}
{{- if and (or $security.ca $security.clientCertificate) (not $security.existingSecret) -}}
{{- $mistakes = append $mistakes "kafka.security.ca and clientCertificate say what is in kafka.security.existingSecret, which is not set" -}}
{{- end -}}
{{- $topicMode := eq (include "freshet.mode" .) "topic" -}}
{{- $partitions := int .Values.topic.partitions -}}
{{- if and $topicMode (gt (int .Values.worker.replicas) $partitions) (not (include "freshet.sourceTopics" . | fromJsonArray)) -}}
{{- $mistakes = append $mistakes (printf "worker.replicas is %d, but a topic of %d partitions has no work for more than %d" (int .Values.worker.replicas) $partitions $partitions) -}}
{{- end -}}
{{- if gt (include "freshet.milliseconds" .Values.topic.retention | int64) 31622400000 -}}
{{- $mistakes = append $mistakes (printf "topic.retention is %s; `freshet migrate` takes up to 366d" .Values.topic.retention) -}}
{{- end -}}
{{- $topics := list (include "freshet.broker.topic" .) (include "freshet.deadLetters.topic" .) (include "freshet.topic.name" .) -}}
{{- if lt (len (uniq $topics)) 3 -}}
{{- $mistakes = append $mistakes "broker.topic, deadLetters.topic and topic.name are three different topics" -}}
{{- end -}}
{{- if and $topicMode (or .Values.topic.draining .Values.topic.drained) -}}
{{- $mistakes = append $mistakes "topic.draining and topic.drained are for the upgrades that leave topic mode: left on, they would let the next one go without a drain" -}}
{{- end -}}
{{- if and .Values.topic.draining .Values.topic.drained -}}
{{- $mistakes = append $mistakes "topic.draining keeps the worker and topic.drained ends it: take one of them" -}}
{{- end -}}
{{- $readsOwn := false -}}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace (printf "%s-worker" (include "freshet.fullname" .)) -}}
{{- range .spec.template.spec.containers -}}{{- range .env -}}{{- if eq .name "KAFKA_TOPIC" -}}{{- $readsOwn = true -}}{{- end -}}{{- end -}}{{- end -}}
{{- end -}}
{{- if and (not $topicMode) (not .Values.topic.draining) (not .Values.topic.drained) $readsOwn -}}
{{- $mistakes = append $mistakes "this release is in topic mode now, and what is left in its topic would have no reader: upgrade with topic.draining=true, which keeps the worker, and with topic.drained=true once its LAG in `freshet status` is 0" -}}
{{- end -}}
{{- dict "mistakes" $mistakes | toYaml -}}
{{- end -}}

{{- define "freshet.refusals.delivery" -}}
{{- $mistakes := list -}}
{{- $delivery := .Values.delivery -}}
{{- range $stage, $own := .Values.stages -}}
{{- if gt (add (int $own.timeoutSeconds) 5) (int $delivery.timeoutSeconds) -}}
{{- $mistakes = append $mistakes (printf "delivery.timeoutSeconds (%d) must be at least 5 s more than stages.%s.timeoutSeconds (%d), so that the stage always answers first" (int $delivery.timeoutSeconds) $stage (int $own.timeoutSeconds)) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "payloads" "hints" -}}
{{- $own := get $delivery $name -}}
{{- $retry := int $own.retry -}}
{{- $waits := div (mul (int $own.backoffDelayMs) $retry (add $retry 1)) 2000 -}}
{{- $total := add $waits (mul (int $delivery.timeoutSeconds) (add $retry 1)) -}}
{{- if gt (int $total) 7200 -}}
{{- $mistakes = append $mistakes (printf "delivery.%s: %d attempts of up to %d s and %d s of waits between them are %d s for one event that fails, and a consumer that is to stop waits as long; keep it under 7200 s" $name (add $retry 1) (int $delivery.timeoutSeconds) $waits $total) -}}
{{- end -}}
{{- end -}}
{{- dict "mistakes" $mistakes | toYaml -}}
{{- end -}}

{{- define "freshet.refusals.sums" -}}
{{- $mistakes := list -}}
{{- $database := .Values.database -}}
{{- $pods := 0 -}}
{{- /* A job has one connection. */}}
{{- $jobs := 0 -}}
{{- range $stage, $_ := (.Files.Get "files/topology.yaml" | fromYaml).stages -}}
{{- $traits := include "freshet.stage.traits" (list $ $stage) | fromJson -}}
{{- if $traits.job -}}
{{- if include "freshet.stage.enabled" (list $ $stage) -}}{{- $jobs = add $jobs (int (index $.Values.stages $stage).maxScale) -}}{{- end -}}
{{- else if $traits.database -}}{{- $pods = add $pods (int (index $.Values.stages $stage).maxScale) -}}
{{- end -}}
{{- end -}}
{{- if include "freshet.hasWorker" . -}}{{- $pods = add $pods (int .Values.worker.replicas) -}}{{- end -}}
{{- $wanted := add (mul $pods (int $database.poolSize)) $jobs (int $database.reservedConnections) -}}
{{- if gt (int $wanted) (int $database.maxConnections) -}}
{{- $mistakes = append $mistakes (printf "database: at most %d pods x poolSize %d + %d for jobs + reservedConnections %d = %d connections, but maxConnections is %d: lower stages.*.maxScale or database.poolSize, or put a pooler in front of the server" $pods (int $database.poolSize) $jobs (int $database.reservedConnections) $wanted (int $database.maxConnections)) -}}
{{- end -}}
{{- $limits := .Values.limits -}}
{{- $room := 65536 -}}
{{- if gt (add (int $limits.maxBodyBytes) $room) (int $limits.maxRecordBytes) -}}
{{- $mistakes = append $mistakes (printf "limits: a body of maxBodyBytes %d and %d bytes for its head and attributes are more than maxRecordBytes %d: Kafka would refuse the record for ever" (int $limits.maxBodyBytes) $room (int $limits.maxRecordBytes)) -}}
{{- end -}}
{{- dict "mistakes" $mistakes | toYaml -}}
{{- end -}}

{{- define "freshet.refusals.stages" -}}
{{- $mistakes := list -}}
{{- $own := list "PORT" "DELIVERY_TIMEOUT_MS" "RUST_LOG" "OTEL_EXPORTER_OTLP_ENDPOINT" "FRESHET_PIPELINE" "DATABASE_URL" "DATABASE_POOL_SIZE" "PGSSLROOTCERT" "K_CA_CERTS" "MAX_BODY_BYTES" "MODE" "FALLBACK" "PERSIST_PAYLOADS" "SCRATCH_DIR" "PREWARM_URLS" "PREWARM_WATCHED_URLS" "PREWARM_FIRING_URLS" "FRESHET_TEST_TOKEN" "KAFKA_BOOTSTRAP_SERVERS" "KAFKA_SECURITY_PROTOCOL" "KAFKA_SASL_MECHANISM" "KAFKA_SASL_USERNAME" "KAFKA_SASL_PASSWORD" "KAFKA_CA_FILE" "KAFKA_CERTIFICATE_FILE" "KAFKA_KEY_FILE" "KAFKA_GROUP" "KAFKA_PAYLOAD_GROUPS" "KAFKA_DEAD_LETTER_TOPIC" "KAFKA_DEAD_LETTER_GROUP" "JOBS" -}}
{{- $processes := dict "worker" .Values.worker -}}
{{- range $stage, $settings := .Values.stages -}}
{{- $_ := set $processes (printf "stages.%s" $stage) $settings -}}
{{- range $key, $least := dict "window" 6000 "scaleToZeroPodRetentionPeriod" 0 -}}
{{- $time := include "freshet.milliseconds" (get $settings $key) | int -}}
{{- if and (get $settings $key) (or (lt $time (int $least)) (gt $time 3600000)) -}}
{{- $mistakes = append $mistakes (printf "stages.%s.%s is %s; Knative takes %ds to 1h" $stage $key (get $settings $key) (div $least 1000)) -}}
{{- end -}}
{{- end -}}
{{- if gt (int $settings.minScale) (int $settings.maxScale) -}}
{{- $mistakes = append $mistakes (printf "stages.%s: minScale %d is more than maxScale %d" $stage (int $settings.minScale) (int $settings.maxScale)) -}}
{{- end -}}
{{- end -}}
{{- range $place, $settings := $processes -}}
{{- range $name, $_ := $settings.env -}}
{{- if has $name (list "K_SINK" "KAFKA_TOPIC") -}}
{{- $mistakes = append $mistakes (printf "%s.env.%s: a pipeline has one mode; mode, broker and kafka say where payloads go" $place $name) -}}
{{- else if has $name $own -}}
{{- $mistakes = append $mistakes (printf "%s.env.%s: the chart sets it itself" $place $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "mistakes" $mistakes | toYaml -}}
{{- end -}}

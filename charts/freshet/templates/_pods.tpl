{{/* An image: (list $ "service or nothing" own), own being {repository, tag, digest}. A digest is stronger than a tag. */}}
{{- define "freshet.image" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $own := index . 2 | default dict -}}
{{- $image := $root.Values.image -}}
{{- $registry := ($root.Values.global).imageRegistry | default $image.registry -}}
{{- $name := ternary (printf "%s-%s" $image.repositoryPrefix $service) $image.repositoryPrefix (ne $service "") -}}
{{- $repository := $own.repository | default (ternary (printf "%s/%s" $registry $name) $name (ne $registry "")) -}}
{{- if $own.digest -}}
{{- printf "%s@%s" $repository $own.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (include "freshet.text" ($own.tag | default $image.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}
{{- end -}}

{{/* What the namespace's `restricted` pod security asks of each container; Knative takes it at containers only. */}}
{{- define "freshet.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Variables from a map of texts. */}}
{{- define "freshet.env.own" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ include "freshet.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* Variables of every process. */}}
{{- define "freshet.env.telemetry" -}}
- name: RUST_LOG
  value: {{ .Values.telemetry.logLevel | quote }}
{{- with .Values.telemetry.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Variables of a process that uses the database: (list $ "direct" or "" component). */}}
{{- define "freshet.env.database" -}}
{{- $root := index . 0 -}}
{{- $database := $root.Values.database -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ $database.existingSecret }}, key: {{ get $database.keys (index . 2) | default $database.key }}}
{{- if and (index . 1) $database.directKey }}
- name: DATABASE_DIRECT_URL
  valueFrom:
    secretKeyRef: {name: {{ $database.existingSecret }}, key: {{ $database.directKey }}}
{{- end }}
- name: DATABASE_POOL_SIZE
  value: {{ ternary 1 $database.poolSize (hasKey $root.Values.jobs (index . 2)) | quote }}
{{- if $database.rootCertificate.existingSecret }}
- name: PGSSLROOTCERT
  value: /etc/freshet-database/{{ $database.rootCertificate.key }}
{{- end }}
{{- end -}}

{{/* Variables of a process that publishes to the Broker. */}}
{{- define "freshet.env.sink" -}}
- name: K_SINK
  value: {{ include "freshet.broker.url" . | quote }}
{{- with .Values.broker.caCertificates }}
- name: K_CA_CERTS
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Variables of a process that speaks Kafka. */}}
{{- define "freshet.env.kafka" -}}
{{- $security := .Values.kafka.security -}}
- name: KAFKA_BOOTSTRAP_SERVERS
  value: {{ .Values.kafka.bootstrapServers | quote }}
- name: KAFKA_SECURITY_PROTOCOL
  value: {{ $security.protocol }}
{{- if hasPrefix "SASL_" $security.protocol }}
- name: KAFKA_SASL_MECHANISM
  value: {{ $security.saslMechanism }}
- name: KAFKA_SASL_USERNAME
  valueFrom:
    secretKeyRef: {name: {{ $security.existingSecret }}, key: user}
- name: KAFKA_SASL_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $security.existingSecret }}, key: password}
{{- end }}
{{- if $security.ca }}
- name: KAFKA_CA_FILE
  value: /etc/freshet-kafka/ca.crt
{{- end }}
{{- if $security.clientCertificate }}
- name: KAFKA_CERTIFICATE_FILE
  value: /etc/freshet-kafka/user.crt
- name: KAFKA_KEY_FILE
  value: /etc/freshet-kafka/user.key
{{- end }}
{{- end -}}

{{/* Where a process counts what ends it, which outlives its container and not its pod: what is written there is in memory. */}}
{{- define "freshet.env.scratch" -}}
- name: SCRATCH_DIR
  value: /var/lib/freshet
{{- end -}}

{{/*
The files of a pod: (dict "root" $ "pipeline" bool "database" bool "kafka" bool "secrets" bool "scratch" bool), as
{mounts: [], volumes: []}.
*/}}
{{- define "freshet.files" -}}
{{- $values := .root.Values -}}
{{- $files := list -}}
{{- if .pipeline -}}
{{- $name := printf "%s-pipeline" (include "freshet.fullname" .root) -}}
{{- $files = append $files (dict "name" "pipeline" "path" "/etc/freshet" "source" (dict "configMap" (dict "name" $name))) -}}
{{- end -}}
{{- if and .database $values.database.rootCertificate.existingSecret -}}
{{- $secret := dict "secretName" $values.database.rootCertificate.existingSecret -}}
{{- $files = append $files (dict "name" "database" "path" "/etc/freshet-database" "source" (dict "secret" $secret)) -}}
{{- end -}}
{{- $security := $values.kafka.security -}}
{{- if and .kafka (or $security.ca $security.clientCertificate) -}}
{{- $keys := concat (ternary (list "ca.crt") list $security.ca) (ternary (list "user.crt" "user.key") list $security.clientCertificate) -}}
{{- $items := list -}}
{{- range $keys -}}{{- $items = append $items (dict "key" . "path" .) -}}{{- end -}}
{{- $secret := dict "secretName" $security.existingSecret "items" $items -}}
{{- $files = append $files (dict "name" "kafka" "path" "/etc/freshet-kafka" "source" (dict "secret" $secret)) -}}
{{- end -}}
{{- if .secrets -}}
{{- range $name, $file := $values.secretFiles -}}
{{- $secret := dict "secretName" $file.secret -}}
{{- $files = append $files (dict "name" (printf "secret-%s" $name) "path" $file.mountPath "source" (dict "secret" $secret)) -}}
{{- end -}}
{{- end -}}
{{- $mounts := list -}}
{{- $volumes := list -}}
{{- range $files -}}
{{- $mounts = append $mounts (dict "name" .name "mountPath" .path "readOnly" true) -}}
{{- $volumes = append $volumes (merge (dict "name" .name) .source) -}}
{{- end -}}
{{- if .scratch -}}
{{- $mounts = append $mounts (dict "name" "scratch" "mountPath" "/var/lib/freshet") -}}
{{- $volumes = append $volumes (dict "name" "scratch" "emptyDir" (dict "medium" "Memory" "sizeLimit" "16Mi")) -}}
{{- end -}}
{{- dict "mounts" $mounts "volumes" $volumes | toYaml -}}
{{- end -}}

{{- define "freshet.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Requests and limits of a stage: (list $ "stage" resources). Where it runs scripts, the process that does is part of its memory:
     16 MiB of a script, and as much for the process itself. */}}
{{- define "freshet.resources" -}}
{{- $root := index . 0 -}}
{{- $resources := index . 2 | deepCopy -}}
{{- $runs := has (index . 1) (list "ingest" "transform" "worker" "dead-letter") -}}
{{- $limit := dig "limits" "memory" "" $resources | toString -}}
{{- if and $root.Values.codecs $runs (regexMatch "^[0-9]+Mi$" $limit) -}}
{{- $_ := set $resources.limits "memory" (printf "%dMi" (add (trimSuffix "Mi" $limit | int) 32)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

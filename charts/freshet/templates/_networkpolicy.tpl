{{- define "freshet.namespace" -}}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ . }}}}
{{- end -}}

{{/* Who reaches a stage: the gateway and the activator at the queue-proxy, the autoscaler and a monitor at its metrics. */}}
{{- define "freshet.ingressRules" -}}
{{- $policy := .Values.networkPolicy -}}
- from:
    {{- include "freshet.namespace" $policy.servingNamespace | nindent 4 }}
    {{- include "freshet.namespace" $policy.gatewayNamespace | nindent 4 }}
  ports:
    - {port: 8012}
    - {port: 8013}
    - {port: 8112}
- from:
    {{- include "freshet.namespace" $policy.servingNamespace | nindent 4 }}
  ports:
    - {port: 9090}
{{- with $policy.monitoringNamespace }}
- from:
    {{- include "freshet.namespace" . | nindent 4 }}
  ports:
    - {port: 9091}
{{- end }}
{{- end -}}

{{- define "freshet.egressTo" -}}
- ports:
    {{- range .ports }}
    - {port: {{ int . }}}
    {{- end }}
  {{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Every address but those that lead to this network, to a cloud's own services, or to nobody: IANA's special-purpose
     registries, and 168.63.129.16 of Azure. Notifications refuse the same by themselves; a test compares. */}}
{{- define "freshet.publicPeers" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      {{- range list "0.0.0.0/8" "10.0.0.0/8" "100.64.0.0/10" "127.0.0.0/8" "168.63.129.16/32" "169.254.0.0/16" "172.16.0.0/12" "192.0.0.0/24" "192.0.2.0/24" "192.88.99.0/24" "192.168.0.0/16" "198.18.0.0/15" "198.51.100.0/24" "203.0.113.0/24" "224.0.0.0/3" }}
      - {{ . }}
      {{- end }}
- ipBlock:
    cidr: 2000::/3
    except: [2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20]
{{- end -}}

{{/* Whether `ingest` calls a platform back, as AWS IoT wants its destinations confirmed; empty if not. */}}
{{- define "freshet.callsBack" -}}
{{- range (include "freshet.pipeline" . | fromJson).sources -}}
{{- if eq (toString .format) "aws_iot_http" -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a component reaches: (dict "root" $ "database" bool "broker" bool "kafka" bool "brokerPorts" list "stages" bool "people" bool "callsBack" bool). */}}
{{- define "freshet.egressRules" -}}
{{- $policy := .root.Values.networkPolicy -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
  {{- with $policy.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if .database }}
{{ include "freshet.egressTo" (dict "ports" $policy.databasePorts "peers" $policy.database) }}
{{- end }}
{{- if .kafka }}
{{ include "freshet.egressTo" (dict "ports" $policy.kafkaPorts "peers" $policy.kafka) }}
{{- end }}
{{- with .brokerPorts }}
{{- /* Of clusters of others, wherever they are. */}}
{{ include "freshet.egressTo" (dict "ports" .) }}
{{- end }}
{{- if .root.Values.telemetry.otlpEndpoint }}
{{ include "freshet.egressTo" (dict "ports" (list $policy.otlpPort) "peers" $policy.otlp) }}
{{- end }}
{{- if .broker }}
- to:
    {{- include "freshet.namespace" .root.Values.knative.eventingNamespace | nindent 4 }}
{{- end }}
{{- if .stages }}
- to:
    {{- include "freshet.namespace" $policy.servingNamespace | nindent 4 }}
    {{- include "freshet.namespace" $policy.gatewayNamespace | nindent 4 }}
{{- end }}
{{- if .callsBack }}
- ports:
    - {port: 443}
  to:
    {{- include "freshet.publicPeers" . | nindent 4 }}
{{- end }}
{{- if .people }}
- to:
    {{- include "freshet.publicPeers" . | nindent 4 }}
{{- with $policy.notifyEgress }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether a cluster was asked for what it serves: every one serves APIService, and no renderer without a cluster knows it. */}}
{{- define "freshet.cluster" -}}
{{- if .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1/APIService" -}}yes{{- end -}}
{{- end -}}

{{/* Refuses a cluster without Knative. Nothing is known where a chart is rendered without a cluster, as GitOps tools do. */}}
{{- define "freshet.capabilities" -}}
{{- $assume := toString .Values.capabilities.assume -}}
{{- if or (eq $assume "false") (and (eq $assume "auto") (include "freshet.cluster" .)) -}}
{{- $install := "see https://knative.dev/docs/install/ and k8s/README.md; capabilities.assume=true renders without asking" -}}
{{- range $api, $name := dict "serving.knative.dev/v1/Service" "Knative Serving" "eventing.knative.dev/v1/Broker" "Knative Eventing" "sources.knative.dev/v1/PingSource" "Knative Eventing's PingSource" -}}
{{- if not ($.Capabilities.APIVersions.Has $api) -}}
{{- fail (printf "this cluster has no %s (%s): %s" $name $api $install) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (include "freshet.deadLetters.sink" .) "kafka") (not (.Capabilities.APIVersions.Has "eventing.knative.dev/v1alpha1/KafkaSink")) -}}
{{- fail (printf "this cluster has no KafkaSink (Knative's Kafka Broker and KafkaSink): %s; or take deadLetters.sink=service, and broker.class=MTChannelBasedBroker for trying out" $install) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The pod of a Job or test that runs the `freshet` command:
     (dict "root" $ "component" "..." "args" list "env" "text" "pipeline" bool "kafka" bool "secrets" bool),
     with those that the pipeline names where "secrets" is true. */}}
{{- define "freshet.commandPod" -}}
{{- $root := .root -}}
{{- $files := include "freshet.files" (dict "root" $root "pipeline" .pipeline "database" true "kafka" .kafka "secrets" .secrets) | fromYaml -}}
restartPolicy: Never
serviceAccountName: {{ include "freshet.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with include "freshet.pullSecrets" $root | trim }}
{{ . }}
{{- end }}
containers:
  - name: {{ .component }}
    image: {{ include "freshet.image" (list $root "" $root.Values.cli.image) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
      {{- range .args }}
      - {{ . | quote }}
      {{- end }}
    env:
      {{- include "freshet.env.database" (list $root "direct" .component) | nindent 6 }}
      {{- with .env }}
      {{- . | nindent 6 }}
      {{- end }}
    {{- if and .secrets $root.Values.extraEnvFrom }}
    envFrom:
      {{- toYaml $root.Values.extraEnvFrom | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml $root.Values.cli.resources | nindent 6 }}
    securityContext:
      {{- include "freshet.securityContext" $root | nindent 6 }}
    {{- with $files.mounts }}
    volumeMounts:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- with $files.volumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

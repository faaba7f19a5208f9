{{- define "freshet.refusals" -}}
{{- if not .Values.database.existingSecret -}}
{{- fail "database.existingSecret is not set: name the Secret that holds the database's URL (key `uri`, or database.key)" -}}
{{- end -}}
{{- end -}}

{{/* The pipeline of the values as a map, in JSON. */}}
{{- define "freshet.pipeline" -}}
{{- $own := include "freshet.pipeline.own" . | fromJson -}}
{{- if $own.mistake -}}
{{- include "freshet.refusals" . -}}
{{- end -}}
{{- $own.pipeline | toJson -}}
{{- end -}}

{{/* The same as {"pipeline": map, "mistake": ...}. */}}
{{- define "freshet.pipeline.own" -}}
{{- $pipeline := .Values.pipeline -}}
{{- $mistake := "" -}}
{{- with .Values.pipelineFile -}}
{{- $pipeline = fromYaml . -}}
{{- if $pipeline.Error -}}
{{- $mistake = printf "pipelineFile is no YAML: %s" $pipeline.Error -}}
{{- $pipeline = dict -}}
{{- else if not $pipeline -}}
{{- $mistake = "pipelineFile is empty" -}}
{{- end -}}
{{- range list "sources" "receivers" "canary" -}}
{{- $part := get $pipeline . -}}
{{- if not (or (kindIs "map" $part) (empty $part)) -}}
{{- $mistake = printf "pipelineFile: %s is no map" . -}}
{{- $_ := unset $pipeline . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "pipeline" $pipeline "mistake" $mistake | toJson -}}
{{- end -}}

{{/* Whether `helm test` has a canary of its own, since the pipeline has none. Empty if not. */}}
{{- define "freshet.test.hasCanary" -}}
{{- if and .Values.helmTest.enabled (not (include "freshet.pipeline.own" . | fromJson).pipeline.canary) -}}yes{{- end -}}
{{- end -}}

{{/* The files of the folder that is mounted, by name: the pipeline of the values, a text as it is, its scripts, and the canary of `helm test`.
     JSON keeps each line break as it is. */}}
{{- define "freshet.pipeline.files" -}}
{{- $files := dict "freshet.yaml" (.Values.pipelineFile | default (printf "%s\n" (toYaml .Values.pipeline))) -}}
{{- range $name, $script := .Values.codecs -}}
{{- $_ := set $files $name $script -}}
{{- end -}}
{{- if include "freshet.test.hasCanary" . -}}
{{- $_ := set $files "helm-test.yaml" "canary: {secret: {env: FRESHET_TEST_TOKEN}}\n" -}}
{{- end -}}
{{- $files | toJson -}}
{{- end -}}

{{/* What a part of the pipeline refers to with `{env: NAME}` or `{file: PATH}`, as a list under `names`: (list "env" part). Under
     `unclear` is what Helm reads as no text: its YAML is 1.1, where NO is false; that of the stages is 1.2, where it is a name. */}}
{{- define "freshet.references" -}}
{{- $kind := index . 0 -}}
{{- $part := index . 1 -}}
{{- $names := list -}}
{{- $unclear := list -}}
{{- $inner := list -}}
{{- if kindIs "map" $part -}}
{{- range $key, $value := $part -}}
{{- if and (eq $key $kind) (kindIs "string" $value) -}}
{{- $names = append $names $value -}}
{{- else if and (eq $key $kind) (not (or (kindIs "map" $value) (kindIs "slice" $value))) -}}
{{- $unclear = append $unclear (include "freshet.text" $value) -}}
{{- else if ne $key "tags" -}}
{{- $inner = append $inner $value -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" $part -}}
{{- $inner = $part -}}
{{- end -}}
{{- range $inner -}}
{{- $found := include "freshet.references" (list $kind .) | fromJson -}}
{{- $names = concat $names $found.names -}}
{{- $unclear = concat $unclear $found.unclear -}}
{{- end -}}
{{- dict "names" ($names | uniq | sortAlpha) "unclear" ($unclear | uniq | sortAlpha) | toJson -}}
{{- end -}}

{{/* Milliseconds of a duration as the pipeline file writes it. */}}
{{- define "freshet.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $total := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d)" (toString .) -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $total = add $total (mul (trimSuffix $unit . | atoi) (get $units $unit)) -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{/* The cron line of a timer that comes once in a duration, in whole steps of a minute, an hour or a day. */}}
{{- define "freshet.cron" -}}
{{- $text := toString . -}}
{{- $milliseconds := include "freshet.milliseconds" $text | int64 -}}
{{- $seconds := div $milliseconds 1000 | int64 -}}
{{- $minutes := div $seconds 60 | int64 -}}
{{- $hours := div $minutes 60 | int64 -}}
{{- if and (gt $seconds 0) (eq $milliseconds (mul $seconds 1000)) (lt $seconds 60) (eq (mod 60 $seconds) 0) -}}
*/{{ $seconds }} * * * * *
{{- else if and (gt $minutes 0) (eq $milliseconds (mul $minutes 60000)) (lt $minutes 60) (eq (mod 60 $minutes) 0) -}}
*/{{ $minutes }} * * * *
{{- else if and (gt $hours 0) (eq $milliseconds (mul $hours 3600000)) (lt $hours 24) (eq (mod 24 $hours) 0) -}}
0 */{{ $hours }} * * *
{{- else if eq $milliseconds (mul 24 3600000) -}}
0 0 * * *
{{- else -}}
{{- fail (printf "pipeline.tick: %s does not divide a minute, an hour or a day evenly, so that no cron line says it; take 30s, 1m, 5m, 10m, 15m, 30m or 1h" $text) -}}
{{- end -}}
{{- end -}}

{{/* The name of the Trigger of a source of foreign events, which is also its consumer group: (list $ "source"). */}}
{{- define "freshet.eventsName" -}}
{{- $source := index . 1 -}}
{{- $plain := regexReplaceAll "[^a-z0-9]+" (lower $source) "-" | trunc 8 | trimSuffix "-" | trimPrefix "-" -}}
{{- $hash := sha256sum $source | trunc 6 -}}
{{- printf "%s-events-%s-%s" (include "freshet.fullname" (index . 0)) $plain $hash | replace "--" "-" -}}
{{- end -}}

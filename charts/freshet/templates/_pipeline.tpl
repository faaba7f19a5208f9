{{/* The pipeline file as it is mounted: that of the values, and the source of `helm test`. A text stays the text that it is. */}}
{{- define "freshet.pipeline" -}}
{{- $mounted := include "freshet.pipeline.mounted" . | fromJson -}}
{{- if $mounted.mistake -}}
{{- include "freshet.refusals" . -}}
{{- end -}}
{{- $mounted.text -}}
{{- end -}}

{{/* The same as {"text": ..., "mistake": ...}: JSON, which keeps each line break as it is. */}}
{{- define "freshet.pipeline.mounted" -}}
{{- $own := include "freshet.pipeline.own" . | fromJson -}}
{{- $text := .Values.pipelineFile -}}
{{- $mistake := $own.mistake -}}
{{- if not $text -}}
{{- $pipeline := deepCopy .Values.pipeline -}}
{{- include "freshet.pipeline.addTest" (list . $pipeline) -}}
{{- $text = toYaml $pipeline -}}
{{- else if and (not $mistake) .Values.helmTest.enabled (not (hasKey ($own.pipeline.sources | default dict) "helm-test")) -}}
{{- $text = include "freshet.pipeline.insert" $own | fromJson | dig "text" "" -}}
{{- /* YAML can say one thing in many ways: what was put in between is believed only where it reads as it should. */}}
{{- $wanted := deepCopy $own.pipeline -}}
{{- include "freshet.pipeline.addTest" (list . $wanted) -}}
{{- if ne (fromYaml $text | toJson) (toJson $wanted) -}}
{{- $mistake = "pipelineFile: the source of `helm test` cannot be put in: write `sources:` at the beginning of a line of its own, and each source as a block below it, not as {...}; or set helmTest.enabled=false" -}}
{{- end -}}
{{- end -}}
{{- dict "text" $text "mistake" $mistake | toJson -}}
{{- end -}}

{{/* The pipeline of the values, looked into, as {"text": ..., "pipeline": map, "mistake": ...}. */}}
{{- define "freshet.pipeline.own" -}}
{{- $pipeline := .Values.pipeline -}}
{{- $mistake := "" -}}
{{- with .Values.pipelineFile -}}
{{- $pipeline = fromYaml . -}}
{{- with $pipeline.Error -}}
{{- $mistake = printf "pipelineFile is no YAML: %s" . -}}
{{- $pipeline = dict -}}
{{- end -}}
{{- range list "sources" "receivers" -}}
{{- $part := get $pipeline . -}}
{{- if not (or (kindIs "map" $part) (empty $part)) -}}
{{- $mistake = printf "pipelineFile: %s is no map" . -}}
{{- $_ := unset $pipeline . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "text" .Values.pipelineFile "pipeline" $pipeline "mistake" $mistake | toJson -}}
{{- end -}}

{{/* Puts the source of `helm test` into a pipeline: (list $ map). */}}
{{- define "freshet.pipeline.addTest" -}}
{{- $pipeline := index . 1 -}}
{{- if (index . 0).Values.helmTest.enabled -}}
{{- $sources := $pipeline.sources | default dict -}}
{{- $credential := dict "bearer" (dict "env" "FRESHET_TEST_TOKEN") -}}
{{- $_ := set $sources "helm-test" (dict "format" "json" "credentials" (list $credential)) -}}
{{- $_ := set $pipeline "sources" $sources -}}
{{- end -}}
{{- end -}}

{{/* A text with one more line, the source of `helm test`: {"text": ..., "pipeline": map}, as {"text": ...}. The line stands
     right below `sources:`, as far in as the first source. Where there is no `sources:`, both stand at the end. */}}
{{- define "freshet.pipeline.insert" -}}
{{- $entry := "helm-test: {format: json, credentials: [{bearer: {env: FRESHET_TEST_TOKEN}}]}" -}}
{{- $return := ternary "\r" "" (contains "\r\n" .text) -}}
{{- $lines := splitList "\n" .text -}}
{{- $below := 0 -}}
{{- $indent := "" -}}
{{- range $index, $line := $lines -}}
{{- if not $below -}}
{{- if regexMatch `^\x{FEFF}?("sources"|'sources'|sources)[ \t]*:([ \t]+#.*)?[ \t]*\r?$` $line -}}
{{- $below = add1 $index | int -}}
{{- end -}}
{{- else if not (regexMatch `^[ \t]*(#.*)?\r?$` $line) -}}
{{- $indent = regexFind `^ +` $line -}}
{{- break -}}
{{- end -}}
{{- end -}}
{{- $entry = print ($indent | default "  ") $entry -}}
{{- $text := "" -}}
{{- if $below -}}
{{- $rest := slice $lines $below | default (list "") -}}
{{- $text = concat (slice $lines 0 $below) (list (print $entry $return)) $rest | join "\n" -}}
{{- else if not (hasKey .pipeline "sources") -}}
{{- $last := ternary "" (print $return "\n") (hasSuffix "\n" .text) -}}
{{- $text = print .text $last "sources:" $return "\n" $entry $return "\n" -}}
{{- end -}}
{{- dict "text" $text | toJson -}}
{{- end -}}

{{/* What a part of the pipeline refers to with `{env: NAME}` or `{file: PATH}`, as a list under `names`: (list "env" part). */}}
{{- define "freshet.references" -}}
{{- $kind := index . 0 -}}
{{- $part := index . 1 -}}
{{- $names := list -}}
{{- if kindIs "map" $part -}}
{{- range $key, $value := $part -}}
{{- if and (eq $key $kind) (kindIs "string" $value) -}}
{{- $names = append $names $value -}}
{{- else if ne $key "tags" -}}
{{- $names = concat $names (include "freshet.references" (list $kind $value) | fromYaml).names -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" $part -}}
{{- range $part -}}
{{- $names = concat $names (include "freshet.references" (list $kind .) | fromYaml).names -}}
{{- end -}}
{{- end -}}
{{- dict "names" ($names | uniq | sortAlpha) | toYaml -}}
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

{{/* A value of `config` as it stands in the environment. Numbers come as floats, which would print as 2.592e+09. */}}
{{- define "logout-relay.optionText" -}}
{{- if kindIs "slice" . }}
{{- $texts := list }}
{{- range . }}{{ $texts = append $texts (include "logout-relay.optionText" .) }}{{ end }}
{{- join "," $texts }}
{{- else if kindIs "float64" . }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}

{{/* The secret options, as a JSON list. */}}
{{- define "logout-relay.secretOptions" -}}
["REDIS_URL", "REDIS_USERNAME", "REDIS_PASSWORD", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "SCHEMA_REGISTRY_USERNAME", "SCHEMA_REGISTRY_PASSWORD"]
{{- end }}

{{- define "logout-relay.port" -}}
{{- int64 (default 8080 .Values.config.PORT) }}
{{- end }}

{{/* Empty where no webhooks are taken. */}}
{{- define "logout-relay.intakePort" -}}
{{- with .Values.config.INTAKE_PORT }}{{ int64 . }}{{ end }}
{{- end }}

{{/* DRAIN_MS may be 0, which `default` would replace. Five seconds are for what is left when attempts are over. */}}
{{- define "logout-relay.gracePeriod" -}}
{{- if .Values.terminationGracePeriodSeconds }}
{{- int64 .Values.terminationGracePeriodSeconds }}
{{- else }}
{{- $drain := ternary .Values.config.DRAIN_MS 15000 (hasKey .Values.config "DRAIN_MS") }}
{{- add (div (add (int64 $drain) 999) 1000) 15 }}
{{- end }}
{{- end }}

{{- define "logout-relay.signingKeysSecret" -}}
{{- if .Values.signingKeys.existingSecret }}
{{- .Values.signingKeys.existingSecret }}
{{- else if .Values.signingKeys.value }}
{{- printf "%s-signing-keys" (include "logout-relay.fullname" .) }}
{{- end }}
{{- end }}

{{- define "logout-relay.issuersConfigMap" -}}
{{- if .Values.issuers.existingConfigMap }}
{{- .Values.issuers.existingConfigMap }}
{{- else if .Values.issuers.list }}
{{- printf "%s-issuers" (include "logout-relay.fullname" .) }}
{{- end }}
{{- end }}

{{/* A folder of issuers files; their keys must lie below it. */}}
{{- define "logout-relay.issuersDirectory" -}}
/etc/logout-relay/issuers
{{- end }}

{{- define "logout-relay.mappingConfigMap" -}}
{{- if .Values.mapping.existingConfigMap }}
{{- .Values.mapping.existingConfigMap }}
{{- else if .Values.mapping.list }}
{{- printf "%s-mapping" (include "logout-relay.fullname" .) }}
{{- end }}
{{- end }}

{{/* The whole folder is mounted: a file that is mounted alone never changes. */}}
{{- define "logout-relay.mappingFile" -}}
/etc/logout-relay/mapping/{{ ternary .Values.mapping.key "mapping.yaml" (not (empty .Values.mapping.existingConfigMap)) }}
{{- end }}

{{- define "logout-relay.intakeConfigMap" -}}
{{- if .Values.intake.existingConfigMap }}
{{- .Values.intake.existingConfigMap }}
{{- else if .Values.intake.list }}
{{- printf "%s-intake" (include "logout-relay.fullname" .) }}
{{- end }}
{{- end }}

{{/* In a folder of its own, below which its credentials lie. */}}
{{- define "logout-relay.intakeFile" -}}
/etc/logout-relay/intake/{{ ternary .Values.intake.key "intake.yaml" (not (empty .Values.intake.existingConfigMap)) }}
{{- end }}

{{/* Where the files of the secret options are mounted, each by the name of its option. */}}
{{- define "logout-relay.secretsDirectory" -}}
/etc/logout-relay/secrets
{{- end }}

{{/*
Reference to the Secret and key that hold a secret option, or nothing. Called with a dict of `root` and `option`. Of a Secret
that exists, only what is known to be in it: a file that is missing would keep the relay from starting.
*/}}
{{- define "logout-relay.secretKeyRef" -}}
{{- $values := .root.Values }}
{{- $secret := $values.secret }}
{{- $file := printf "%s_FILE" .option }}
{{- $names := list }}
{{- range $values.extraEnv }}{{ $names = append $names .name }}{{ end }}
{{- $isElsewhere := or (hasKey $values.config $file) (has .option $names) (has $file $names) }}
{{- $isExpected := or (eq .option "REDIS_URL") (and (hasPrefix "KAFKA_SASL_" .option) $values.config.KAFKA_SASL_MECHANISM) }}
{{- if hasKey $secret.values .option }}
name: {{ include "logout-relay.fullname" .root }}
key: {{ .option }}
{{- else if and $secret.existingSecret (or (hasKey $secret.keys .option) (and $isExpected (not $isElsewhere))) }}
name: {{ $secret.existingSecret }}
key: {{ default .option (get $secret.keys .option) }}
{{- end }}
{{- end }}

{{/*
What would start and then fail is refused here. The default values alone pass, so that the chart can be looked at; the notes
say then what is missing.
*/}}
{{- define "logout-relay.check" -}}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled }}
{{- fail "autoscaling.enabled and keda.enabled exclude each other: one Deployment can have only one autoscaler" }}
{{- end }}
{{- if and .Values.signingKeys.existingSecret .Values.signingKeys.value }}
{{- fail "signingKeys.existingSecret and signingKeys.value exclude each other" }}
{{- end }}
{{- if and (include "logout-relay.signingKeysSecret" .) .Values.config.SIGNING_KEYS_FILE }}
{{- fail "config.SIGNING_KEYS_FILE and signingKeys exclude each other: the chart sets the option to the file that it mounts" }}
{{- end }}
{{- if and .Values.issuers.existingConfigMap .Values.issuers.list }}
{{- fail "issuers.existingConfigMap and issuers.list exclude each other" }}
{{- end }}
{{- if include "logout-relay.issuersConfigMap" . }}
{{- range $option := list "ISSUERS_FILE" "ISSUER" "SIGNING_KEYS_FILE" }}
{{- if get $.Values.config $option }}
{{- fail (printf "config.%s and issuers exclude each other: the chart sets ISSUERS_FILE to what it mounts" $option) }}
{{- end }}
{{- end }}
{{- if include "logout-relay.signingKeysSecret" . }}
{{- fail "signingKeys and issuers exclude each other: the keys of issuers are in issuers.keysSecret" }}
{{- end }}
{{- else if .Values.issuers.keysSecret }}
{{- fail "issuers.keysSecret has no effect without issuers.list or issuers.existingConfigMap" }}
{{- end }}
{{- if and .Values.mapping.existingConfigMap .Values.mapping.list }}
{{- fail "mapping.existingConfigMap and mapping.list exclude each other" }}
{{- end }}
{{- if and (include "logout-relay.mappingConfigMap" .) .Values.config.MAPPING_FILE }}
{{- fail "config.MAPPING_FILE and mapping exclude each other: the chart sets the option to the file that it mounts" }}
{{- end }}
{{- if and .Values.intake.existingConfigMap .Values.intake.list }}
{{- fail "intake.existingConfigMap and intake.list exclude each other" }}
{{- end }}
{{- if include "logout-relay.intakeConfigMap" . }}
{{- if .Values.config.INTAKE_FILE }}
{{- fail "config.INTAKE_FILE and intake exclude each other: the chart sets the option to the file that it mounts" }}
{{- end }}
{{- if not .Values.config.INTAKE_PORT }}
{{- fail "intake has no effect without config.INTAKE_PORT" }}
{{- end }}
{{- else if .Values.intake.credentialsSecret }}
{{- fail "intake.credentialsSecret has no effect without intake.list or intake.existingConfigMap" }}
{{- end }}
{{- range $option := include "logout-relay.secretOptions" . | fromJsonArray }}
{{- if and (hasKey $.Values.config (printf "%s_FILE" $option)) (include "logout-relay.secretKeyRef" (dict "root" $ "option" $option)) }}
{{- fail (printf "config.%s_FILE and secret exclude each other: the chart sets the option to the file that it mounts" $option) }}
{{- end }}
{{- end }}
{{- if regexMatch "^(localhost|127\\.|::1$)" (default "" .Values.config.BIND_ADDRESS) }}
{{- fail "config.BIND_ADDRESS must not be a loopback address: probes, Service and Prometheus connect from outside the pod" }}
{{- end }}
{{- if and (hasKey .Values.config "PORT") (not .Values.config.PORT) }}
{{- fail "config.PORT must not be 0: Service and probes need to know the port" }}
{{- end }}
{{- if and (hasKey .Values.config "INTAKE_PORT") (not .Values.config.INTAKE_PORT) }}
{{- fail "config.INTAKE_PORT must not be 0: the Service for webhooks needs to know the port" }}
{{- end }}
{{- if or .Values.config .Values.secret.values .Values.secret.existingSecret }}
{{- with include "logout-relay.missing" . | fromJsonArray }}
{{- fail (printf "required, but not set: %s" (join "; " .)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the relay cannot start without, as a JSON list of sentences. */}}
{{- define "logout-relay.missing" -}}
{{- $names := list }}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end }}
{{- $missing := list }}
{{- if not .Values.extraEnvFrom }}
{{- $hasFile := or (include "logout-relay.issuersConfigMap" .) .Values.config.ISSUERS_FILE (has "ISSUERS_FILE" $names) }}
{{- if not (or .Values.config.KAFKA_BROKERS (has "KAFKA_BROKERS" $names)) }}
{{- $missing = append $missing "config.KAFKA_BROKERS" }}
{{- end }}
{{- if not (or $hasFile .Values.config.ISSUER (has "ISSUER" $names)) }}
{{- $missing = append $missing "config.ISSUER, issuers.list, issuers.existingConfigMap or config.ISSUERS_FILE" }}
{{- end }}
{{- if and (include "logout-relay.issuersConfigMap" .) (not .Values.issuers.keysSecret) (not .Values.extraVolumeMounts) }}
{{- $missing = append $missing "issuers.keysSecret" }}
{{- end }}
{{- if and (include "logout-relay.intakePort" .) (not (or (include "logout-relay.intakeConfigMap" .) .Values.config.INTAKE_FILE (has "INTAKE_FILE" $names))) }}
{{- $missing = append $missing "intake.list, intake.existingConfigMap or config.INTAKE_FILE, for config.INTAKE_PORT" }}
{{- end }}
{{- if and (include "logout-relay.intakeConfigMap" .) (not .Values.intake.credentialsSecret) (not .Values.extraVolumeMounts) }}
{{- $missing = append $missing "intake.credentialsSecret" }}
{{- end }}
{{- if not (or (include "logout-relay.secretKeyRef" (dict "root" . "option" "REDIS_URL")) .Values.config.REDIS_URL_FILE (has "REDIS_URL" $names) (has "REDIS_URL_FILE" $names)) }}
{{- $missing = append $missing "secret.values.REDIS_URL or secret.existingSecret" }}
{{- end }}
{{- if not (or $hasFile (include "logout-relay.signingKeysSecret" .) .Values.config.SIGNING_KEYS_FILE (has "SIGNING_KEYS_FILE" $names)) }}
{{- $missing = append $missing "signingKeys.existingSecret, signingKeys.value or config.SIGNING_KEYS_FILE" }}
{{- end }}
{{- end }}
{{- toJson $missing }}
{{- end }}

{{/* The secret options, each by its own reference: a Secret of somebody else may hold more than the relay should see. */}}
{{- define "logout-relay.secretSources" -}}
{{- $sources := list }}
{{- range $option := include "logout-relay.secretOptions" . | fromJsonArray }}
{{- with include "logout-relay.secretKeyRef" (dict "root" $ "option" $option) | fromYaml }}
{{- $items := list (dict "key" .key "path" $option) }}
{{- $sources = append $sources (dict "secret" (dict "name" .name "items" $items)) }}
{{- end }}
{{- end }}
{{- with $sources }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "logout-relay.volumeMounts" -}}
{{- if include "logout-relay.signingKeysSecret" . }}
- name: signing-keys
  mountPath: /etc/logout-relay/keys
  readOnly: true
{{- end }}
{{- if include "logout-relay.issuersConfigMap" . }}
- name: issuers
  mountPath: {{ include "logout-relay.issuersDirectory" . }}
  readOnly: true
{{- if .Values.issuers.keysSecret }}
- name: issuer-keys
  mountPath: {{ include "logout-relay.issuersDirectory" . }}/keys
  readOnly: true
{{- end }}
{{- end }}
{{- if include "logout-relay.mappingConfigMap" . }}
- name: mapping
  mountPath: {{ dir (include "logout-relay.mappingFile" .) }}
  readOnly: true
{{- end }}
{{- if include "logout-relay.intakeConfigMap" . }}
- name: intake
  mountPath: {{ dir (include "logout-relay.intakeFile" .) }}
  readOnly: true
{{- if .Values.intake.credentialsSecret }}
- name: intake-credentials
  mountPath: {{ dir (include "logout-relay.intakeFile" .) }}/credentials
  readOnly: true
{{- end }}
{{- end }}
{{- if include "logout-relay.secretSources" . }}
- name: secrets
  mountPath: {{ include "logout-relay.secretsDirectory" . }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "logout-relay.volumes" -}}
{{- with include "logout-relay.signingKeysSecret" . }}
- name: signing-keys
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with include "logout-relay.issuersConfigMap" . }}
- name: issuers
  configMap:
    name: {{ . }}
    defaultMode: 0444
{{- with $.Values.issuers.keysSecret }}
- name: issuer-keys
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- with include "logout-relay.mappingConfigMap" . }}
- name: mapping
  configMap:
    name: {{ . }}
    defaultMode: 0444
{{- end }}
{{- with include "logout-relay.intakeConfigMap" . }}
- name: intake
  configMap:
    name: {{ . }}
    defaultMode: 0444
{{- with $.Values.intake.credentialsSecret }}
- name: intake-credentials
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- with include "logout-relay.secretSources" . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The secret options, each by its own reference: a Secret of somebody else may hold more than the relay should see. */}}
{{- define "logout-relay.env" -}}
{{- $entries := list }}
{{- range $option := include "logout-relay.secretOptions" . | fromJsonArray }}
{{- with include "logout-relay.secretKeyRef" (dict "root" $ "option" $option) | fromYaml }}
{{- $entries = append $entries (dict "name" $option "valueFrom" (dict "secretKeyRef" .)) }}
{{- end }}
{{- end }}
{{- with concat $entries .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

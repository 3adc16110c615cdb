{{- define "logout-relay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 50 characters, so that suffixes fit into a name of 63. */}}
{{- define "logout-relay.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "logout-relay.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a Deployment selects by cannot be changed later: no version, nothing of the values but the name. */}}
{{- define "logout-relay.selectorLabels" -}}
app.kubernetes.io/name: {{ include "logout-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: relay
{{- end }}

{{- define "logout-relay.labels" -}}
{{ include "logout-relay.commonLabels" . }}
app.kubernetes.io/component: relay
{{- end }}

{{- define "logout-relay.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "logout-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What every selector of a metric in the alert rules gets. A ServiceMonitor calls the job as the Service is called. */}}
{{- define "logout-relay.ruleMatchers" -}}
{{- $values := .Values.prometheusRule -}}
{{- $all := list -}}
{{- if ne $values.namespace "*" -}}
{{- $all = append $all (printf "namespace=%s" (default .Release.Namespace $values.namespace | quote)) -}}
{{- end -}}
{{- if ne $values.job "*" -}}
{{- $all = append $all (printf "job=%s" (default (include "logout-relay.fullname" .) $values.job | quote)) -}}
{{- end -}}
{{- join "," (concat $all $values.matchers) -}}
{{- end }}

{{- define "logout-relay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "logout-relay.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "logout-relay.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "sisyphus.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "sisyphus.selector" -}}
app.kubernetes.io/name: sisyphus
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sisyphus.labels" -}}
{{ include "sisyphus.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

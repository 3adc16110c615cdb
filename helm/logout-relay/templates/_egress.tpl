{{/* The entries of EGRESS_ALLOW, and of each of `issuers.list`, as a JSON list. */}}
{{- define "logout-relay.egressAllow" -}}
{{- $entries := list }}
{{- range splitList "," (include "logout-relay.optionText" (default "" .Values.config.EGRESS_ALLOW)) }}
{{- with trim . }}{{ $entries = append $entries . }}{{ end }}
{{- end }}
{{- range .Values.issuers.list }}
{{- range dig "egress" "allow" list . }}{{ $entries = append $entries . }}{{ end }}
{{- end }}
{{- toJson (uniq $entries) }}
{{- end }}

{{/* What the relay itself lets through: public addresses, and what EGRESS_ALLOW names by address. */}}
{{- define "logout-relay.relyingPartyPeers" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      - 10.0.0.0/8
      - 100.64.0.0/10
      - 127.0.0.0/8
      - 169.254.0.0/16
      - 172.16.0.0/12
      - 192.168.0.0/16
- ipBlock:
    cidr: ::/0
    except:
      - fc00::/7
      - fe80::/10
{{- range include "logout-relay.egressAllow" . | fromJsonArray }}
{{- if regexMatch "^[0-9.]+(/[0-9]+)?$" . }}
- ipBlock:
    cidr: {{ ternary . (printf "%s/32" .) (contains "/" .) }}
{{- else if regexMatch "^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/[0-9]+)?$" . }}
- ipBlock:
    cidr: {{ ternary . (printf "%s/128" .) (contains "/" .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The host names of EGRESS_ALLOW, which a NetworkPolicy cannot name, as a JSON list. */}}
{{- define "logout-relay.egressHosts" -}}
{{- $hosts := list }}
{{- range include "logout-relay.egressAllow" . | fromJsonArray }}
{{- if not (regexMatch "^([0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)(/[0-9]+)?$" .) }}{{ $hosts = append $hosts . }}{{ end }}
{{- end }}
{{- toJson $hosts }}
{{- end }}

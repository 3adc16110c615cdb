import { isIP } from 'node:net'

/**
 * The TLS server name (SNI); none for an IP address (RFC 6066 §3). It has no final dot: that only disables search lists, and
 * neither certificates nor name-based routers use it.
 */
export function serverName(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: withoutFinalDot(host) } : {}
}

export function withoutFinalDot(host: string): string {
  return host.replace(/\.$/, '')
}

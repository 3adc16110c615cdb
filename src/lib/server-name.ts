import { isIP } from 'node:net'

/**
 * The name by which a server is told which certificate to show, none for an address (RFC 6066 §3). The final dot of a
 * host says that no search list applies; neither certificates nor those who route by name have it.
 */
export function serverName(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: withoutFinalDot(host) } : {}
}

export function withoutFinalDot(host: string): string {
  return host.replace(/\.$/, '')
}

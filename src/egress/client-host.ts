/** A host that may receive a client's tokens. `*.` matches any subdomain. */
export interface ClientHost {
  readonly clientId: string
  /** In lower case and without a final dot. */
  readonly host: string
}

/** Parses `<clientId>=<host>`; `undefined` if invalid. An id may contain equal signs, a host may not. */
export function parseClientHost(entry: string): ClientHost | undefined {
  const [, clientId, text = ''] = /^(.+)=([^=]+)$/.exec(entry) ?? []
  const host = parseHost(text)
  return clientId === undefined || host === undefined ? undefined : { clientId, host }
}

/** A host as `ClientHost` has it; `undefined` for what is none. */
export function parseHost(text: string): string | undefined {
  const [, wildcard = '', name] = /^(\*\.)?([^=*\s/?#@]+)$/.exec(text) ?? []
  if (name === undefined || !URL.canParse(`ws://${name}`)) return undefined
  const { hostname, port } = new URL(`ws://${name}`)
  // A port has no meaning here. An address that only a browser understands, such as 127.1, would be misread.
  if (port !== '' || hostname !== name.toLowerCase()) return undefined
  return wildcard + withoutDot(hostname)
}

/** `hostname` as in `URL`. */
export function isHost({ host }: ClientHost, hostname: string): boolean {
  const name = withoutDot(hostname)
  return host.startsWith('*.') ? name.endsWith(host.slice(1)) : name === host
}

function withoutDot(hostname: string): string {
  return hostname.replace(/\.$/, '')
}

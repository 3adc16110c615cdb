/** A host that a client's tokens may go to; `*.` stands for any name below. */
export interface ClientHost {
  readonly clientId: string
  /** In lower case and without a dot at its end. */
  readonly host: string
}

/** `<clientId>=<host>`; `undefined` for what is none. An id may hold equal signs, a host none. */
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
  // A port says nothing here, and what only a browser takes for an address, such as 127.1, would say something else.
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

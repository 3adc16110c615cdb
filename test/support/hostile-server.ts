import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { clientSocketsTo } from './client-sockets.ts'

/** What is done to one connection, from when it is accepted. */
export type Behaviour<S extends Socket = Socket> = (socket: S) => void

/**
 * Where nobody else listens. On 127.0.0.1 a port that is free now may be that of another test's relying party, which is
 * gone while its relay still asks for it; that stranger would be counted.
 */
const OWN_HOST = process.platform === 'linux' ? '127.0.0.77' : '127.0.0.1'

/** A relying party of raw bytes: a listener on a free port of a loopback address that does one thing to every connection. */
export class HostileServer {
  readonly #open = new Set<Socket>()
  /** Connections so far. */
  accepted = 0
  readonly #server: Server

  static plain(behaviour: Behaviour, host = OWN_HOST, port = 0): Promise<HostileServer> {
    return HostileServer.#listen(createServer(behaviour), host, port)
  }

  /** `behaviour` gets the connection when its handshake is over; one that never is, is kept open. */
  static tls(options: TlsOptions, behaviour: Behaviour<TLSSocket>): Promise<HostileServer> {
    const server = createTlsServer({ handshakeTimeout: 600_000, ...options }, (socket) => {
      socket.on('error', () => undefined)
      behaviour(socket)
    })
    server.on('tlsClientError', () => undefined)
    // Its certificate is for localhost.
    return HostileServer.#listen(server, '127.0.0.1')
  }

  static async #listen(server: Server, host: string, port = 0) {
    const hostile = new HostileServer(server)
    // Before the behaviour, which may end the connection at once.
    server.prependListener('connection', (socket: Socket) => hostile.#watch(socket))
    server.listen(port, host)
    await once(server, 'listening')
    return hostile
  }

  private constructor(server: Server) {
    this.#server = server
  }

  get #address(): AddressInfo {
    return this.#server.address() as AddressInfo
  }

  /** Sockets of others that are connected, or still connecting, to this. */
  clientSockets(): Promise<number> {
    return clientSocketsTo(this.#address.port, this.#address.address)
  }

  /** A back-channel logout URI on it. */
  uri(scheme: 'http' | 'https' = 'http', host = this.#address.address): string {
    return `${scheme}://${host}:${this.#address.port}/logout`
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#open) socket.destroy()
  }

  #watch(socket: Socket): void {
    this.accepted++
    this.#open.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.#open.delete(socket))
  }
}

/** Does something each time that a request begins. */
export function onRequest<S extends Socket>(then: Behaviour<S>): Behaviour<S> {
  return (socket) => {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.toString('latin1', 0, 5) === 'POST ') then(socket)
    })
  }
}

/** Does something when the first bytes of whatever it is are there. */
export function onFirstBytes(then: Behaviour): Behaviour {
  return (socket) => {
    socket.once('data', () => then(socket))
    // So that the end of the other side is seen, whatever else it sends.
    socket.resume()
  }
}

/** Writes one thing again and again, until the connection is closed. Block by block, to see that soon. */
export function flood(socket: Socket, unit: string): void {
  const block = Buffer.from(unit.repeat(Math.ceil(32_768 / unit.length)))
  const more = (): void => {
    if (socket.destroyed) return
    if (socket.write(block)) setImmediate(more)
    else socket.once('drain', more)
  }
  more()
}

/** Writes a text byte by byte, one every `everyMs`. */
export function drip(socket: Socket, text: string, everyMs: number): void {
  let next = 0
  const timer = setInterval(() => {
    if (next < text.length) socket.write(text.charAt(next++))
  }, everyMs)
  socket.once('close', () => clearInterval(timer))
}

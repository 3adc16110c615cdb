import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** What is done to one connection, from when it is accepted. */
export type Behaviour = (socket: Socket) => void

/** A relying party of raw bytes: a listener on a free port of 127.0.0.1 that does one thing to every connection. */
export class HostileServer {
  /** Connections that are open now. */
  readonly open = new Set<Socket>()
  /** Connections so far. */
  accepted = 0
  /** Connections over which a whole request arrived, so far. */
  requests = 0
  readonly #server: Server
  readonly #scheme: 'http' | 'https'

  static plain(behaviour: Behaviour): Promise<HostileServer> {
    return HostileServer.#listen(createServer({ allowHalfOpen: true }), 'http', 'connection', behaviour)
  }

  /** `behaviour` gets the connection when its handshake is over; one that never is, is kept open. */
  static tls(options: TlsOptions, behaviour: Behaviour): Promise<HostileServer> {
    const server = createTlsServer({ handshakeTimeout: 600_000, ...options })
    server.on('tlsClientError', () => undefined)
    return HostileServer.#listen(server, 'https', 'secureConnection', behaviour)
  }

  static async #listen(server: Server, scheme: 'http' | 'https', event: string, behaviour: Behaviour) {
    const hostile = new HostileServer(server, scheme)
    server.on('connection', (socket: Socket) => hostile.#watch(socket))
    server.on(event, (socket: Socket) => {
      socket.on('error', () => undefined)
      behaviour(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return hostile
  }

  private constructor(server: Server, scheme: 'http' | 'https') {
    this.#server = server
    this.#scheme = scheme
  }

  get uri(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/logout`
  }

  close(): void {
    this.#server.close()
    for (const socket of this.open) socket.destroy()
  }

  #watch(socket: Socket): void {
    this.accepted++
    this.open.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.open.delete(socket))
  }
}

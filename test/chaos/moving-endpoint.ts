import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** An address that stays while the server behind it changes, as a Service or a proxy in front of Redis does. */
export class MovingEndpoint implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port: number

  static async open(url: string): Promise<MovingEndpoint> {
    const endpoint = new MovingEndpoint(Number(new URL(url).port))
    endpoint.#server.listen(0, '127.0.0.1')
    await once(endpoint.#server, 'listening')
    return endpoint
  }

  private constructor(port: number) {
    this.#port = port
    this.#server = createServer((client) => {
      const upstream = connect(this.#port, '127.0.0.1')
      client.pipe(upstream).pipe(client)
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => {
          this.#sockets.delete(socket)
          client.destroy()
          upstream.destroy()
        })
      }
    })
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Every connection ends; the next one reaches the other server. */
  moveTo(url: string): void {
    this.#port = Number(new URL(url).port)
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** An address that leads to one server and then to another, as a virtual IP or a name does. */
export class MovingEndpoint implements Disposable {
  readonly #server = createServer({ noDelay: true }, (client) => this.#join(client))
  readonly #clients = new Set<Socket>()
  #port: number

  static async listen(targetUrl: string): Promise<MovingEndpoint> {
    const endpoint = new MovingEndpoint(targetUrl)
    endpoint.#server.listen(0, '127.0.0.1')
    await once(endpoint.#server, 'listening')
    return endpoint
  }

  private constructor(targetUrl: string) {
    this.#port = portOf(targetUrl)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** New connections go there; those that there are stay, unless they are closed. */
  move(targetUrl: string, { closing = true } = {}): void {
    this.#port = portOf(targetUrl)
    if (closing) for (const client of this.#clients) client.destroy()
  }

  [Symbol.dispose](): void {
    this.#server.close()
    for (const client of this.#clients) client.destroy()
  }

  #join(client: Socket): void {
    const upstream = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    this.#clients.add(client)
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#clients.delete(client)
        client.destroy()
        upstream.destroy()
      })
    }
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

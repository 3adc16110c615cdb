import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An HTTP listener on loopback that can go away and come back on the same port. */
export class Listener {
  #server: Server | undefined
  #port: number
  /** Set before the first request arrives; it often needs the port, so it cannot be there first. */
  handle: RequestListener = (_request, response) => response.writeHead(503).end()

  private constructor(port: number) {
    this.#port = port
  }

  /** Port 0 chooses a free one. Throws when the port is taken. */
  static async open(port = 0): Promise<Listener> {
    const listener = new Listener(port)
    await listener.open()
    return listener
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async open(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer((request, response) => this.handle(request, response))
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** From now on connections are refused; open ones are cut, as when a process dies. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
}

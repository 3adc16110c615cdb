import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** An address that leads to a server over a link of so many bytes per second in each direction, for each connection. */
export class SlowLink implements Disposable {
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((client) => this.#join(client))
  readonly #target: number
  readonly #bytesPerSecond: number

  /** Listens on `port` for what goes to `target`, both on loopback. */
  static async listen(port: number, target: number, bytesPerSecond: number): Promise<SlowLink> {
    const link = new SlowLink(target, bytesPerSecond)
    link.#server.listen(port, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  private constructor(target: number, bytesPerSecond: number) {
    this.#target = target
    this.#bytesPerSecond = bytesPerSecond
  }

  [Symbol.dispose](): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1' })
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', (chunk) => {
        to.write(chunk)
        from.pause()
        setTimeout(() => from.resume(), (chunk.length / this.#bytesPerSecond) * 1_000)
      })
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }
}

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Transform } from 'node:stream'

/** A server's address at which nothing listens until `open`, then the server itself. */
export class LateServer {
  readonly port: number
  /** How long each way takes on connections that are opened from then on. */
  delayMs = 0
  readonly #target: { host: string; port: number }
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  /** `target` as `host:port`, or as a URL. */
  constructor(port: number, target: string) {
    const { hostname, port: targetPort } = new URL(target.includes('://') ? target : `tcp://${target}`)
    this.port = port
    this.#target = { host: hostname, port: Number(targetPort) }
  }

  async open(host = '127.0.0.1'): Promise<void> {
    this.#server = createServer((client) => {
      const upstream = connect(this.#target)
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(from)
        if (this.delayMs === 0) from.pipe(to)
        else from.pipe(delaying(this.delayMs)).pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
      }
    }).listen(this.port, host)
    await once(this.#server, 'listening')
  }

  /** Nothing listens any more, and what was connected is cut off. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

function delaying(ms: number): Transform {
  return new Transform({ transform: (chunk, _encoding, done) => void setTimeout(done, ms, null, chunk) })
}

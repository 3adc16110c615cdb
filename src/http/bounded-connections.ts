import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Limits a server's connections and still accepts every new one. When there is one too many, it closes the connection that
 * has waited longest for its request; if all are being answered, the one answered for longest. Otherwise a stranger could
 * take every file descriptor of the process, including those for deliveries.
 */
export class BoundedConnections {
  readonly #max: number
  /** Connections without a complete request; the oldest first. */
  readonly #waiting = new Set<Socket>()
  /** Connections that receive an answer or an event stream; the oldest first. */
  readonly #answered = new Map<Socket, ServerResponse>()

  constructor(server: Server, max: number) {
    this.#max = max
    server.on('connection', (socket: Socket) => this.#opened(socket))
  }

  /**
   * Call it first for every request. False when it has closed the connection instead: a second request before the first
   * answer, which no browser or scraper sends, costs work and reads nothing.
   */
  answers(response: ServerResponse): boolean {
    const { socket } = response.req
    if (socket.destroyed) return false
    if (this.#answered.get(socket)?.writableFinished === false) {
      socket.destroy()
      return false
    }
    this.#waiting.delete(socket)
    this.#answered.delete(socket)
    this.#answered.set(socket, response)
    response.once('close', () => {
      if (this.#answered.get(socket) !== response) return
      this.#answered.delete(socket)
      if (!socket.destroyed) this.#waiting.add(socket)
    })
    return true
  }

  /** An answer to this connection has begun and not ended, so nothing may be written into it. */
  isAnswered(socket: Socket): boolean {
    return this.#answered.has(socket)
  }

  #opened(socket: Socket): void {
    if (this.#waiting.size + this.#answered.size >= this.#max) this.#evict()
    this.#waiting.add(socket)
    socket.once('close', () => {
      this.#waiting.delete(socket)
      this.#answered.delete(socket)
    })
  }

  #evict(): void {
    const [longest] = this.#waiting.size > 0 ? this.#waiting : this.#answered.keys()
    if (longest === undefined) return
    this.#waiting.delete(longest)
    this.#answered.delete(longest)
    longest.destroy()
  }
}

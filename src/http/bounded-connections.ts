import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Keeps the connections of a server within a bound, and still lets in whoever comes: when there is one too many, the one
 * that has waited longest for its request goes, or, where all are being answered, the one answered for longest. Without
 * it a stranger takes every descriptor of the process, those for deliveries included.
 */
export class BoundedConnections {
  readonly #max: number
  /** Wait for a request, or send one slowly; the longest first. */
  readonly #waiting = new Set<Socket>()
  /** Take an answer, or an event stream; the longest first. */
  readonly #answered = new Map<Socket, ServerResponse>()

  constructor(server: Server, max: number) {
    this.#max = max
    server.on('connection', (socket: Socket) => this.#opened(socket))
  }

  /**
   * To be called for every request first. False when its connection has been ended instead: whoever asks again before
   * the answer is there, which no browser and no scraper does, makes work without taking any.
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

  /** An answer to this connection has begun and not ended: nothing may be written into it. */
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

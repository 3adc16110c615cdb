import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Connections to a port that say what they are told, and read nothing. */
export class Strangers {
  readonly #port: number
  readonly #says: string
  /** The longest first. */
  readonly #sockets = new Set<Socket>()
  #insists = false

  /** Resolves when each has been connected, whatever became of it since. */
  static async come(port: number, count: number, says = ''): Promise<Strangers> {
    const strangers = new Strangers(port, says)
    await strangers.#come(count)
    return strangers
  }

  private constructor(port: number, says: string) {
    this.#port = port
    this.#says = says
  }

  /** From now on those who came first come again, so many at a time. */
  async insist(count: number): Promise<void> {
    this.#insists = true
    while (this.#insists) {
      const first = [...this.#sockets].slice(0, count)
      for (const socket of first) {
        this.#sockets.delete(socket)
        socket.destroy()
      }
      await this.#come(count)
    }
  }

  leave(): void {
    this.#insists = false
    for (const socket of this.#sockets) socket.destroy()
  }

  async #come(count: number): Promise<void> {
    const connected = Array.from({ length: count }, async () => {
      const socket = connect(this.#port, '127.0.0.1').pause()
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      this.#sockets.add(socket)
      socket.write(this.#says)
    })
    await Promise.allSettled(connected)
  }
}

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** Listens, says where, and then never runs again, so that nobody takes what the kernel accepts. */
const LISTENER = `
  const { createServer } = require('node:net')
  const { parentPort, workerData } = require('node:worker_threads')
  const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(workerData, 0, 0)
    process.exit()
  })`
/** More than wait for a listener with that backlog. */
const FILLERS = 4

/** A machine that has stopped taking connections: every further one is asked for again and again, and never made. */
export class DeafListener {
  readonly port: number
  readonly #fillers: readonly Socket[]
  readonly #wake: Int32Array

  static async listen(): Promise<DeafListener> {
    const wake = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(LISTENER, { eval: true, workerData: wake })
    const [port] = (await once(worker, 'message')) as [number]
    const fillers = Array.from({ length: FILLERS }, () => connect(port, '127.0.0.1'))
    for (const filler of fillers) filler.on('error', () => undefined)
    await once(fillers[0] as Socket, 'connect')
    return new DeafListener(port, fillers, wake)
  }

  private constructor(port: number, fillers: readonly Socket[], wake: Int32Array) {
    this.port = port
    this.#fillers = fillers
    this.#wake = wake
  }

  /** Its own sockets, beside which those of others can be counted. */
  get fillers(): number {
    return this.#fillers.length
  }

  close(): void {
    for (const filler of this.#fillers) filler.destroy()
    Atomics.store(this.#wake, 0, 1)
    Atomics.notify(this.#wake, 0)
  }
}

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** More than wait for a listener with that backlog. */
const FILLERS = 4
const HEAR = 1
const END = 2

/** Listens, says where, and then does not run, so that nobody takes what the kernel accepts, until it is woken. */
const LISTENER = `
  const { createServer } = require('node:http')
  const { parentPort, workerData } = require('node:worker_threads')
  const server = createServer((_request, response) => response.end()).listen({ ...workerData.at, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(workerData.wake, 0, 0)
    if (Atomics.load(workerData.wake, 0) === ${END}) process.exit()
  })`
/** A machine that has stopped taking connections: every further one is asked for again and again, and never made. */
export class DeafListener {
  readonly port: number
  readonly #fillers: readonly Socket[]
  readonly #wake: Int32Array
  readonly #worker: Worker

  static async listen(host = '127.0.0.1', at = 0): Promise<DeafListener> {
    const wake = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(LISTENER, { eval: true, workerData: { wake, at: { host, port: at } } })
    const [port] = (await once(worker, 'message')) as [number]
    const fillers = Array.from({ length: FILLERS }, () => connect(port, host))
    for (const filler of fillers) filler.on('error', () => undefined)
    await once(fillers[0] as Socket, 'connect')
    return new DeafListener(port, fillers, wake, worker)
  }

  private constructor(port: number, fillers: readonly Socket[], wake: Int32Array, worker: Worker) {
    this.port = port
    this.#fillers = fillers
    this.#wake = wake
    this.#worker = worker
  }

  /** Its own sockets, beside which those of others can be counted. */
  get fillers(): number {
    return this.#fillers.length
  }

  /** From now on it takes connections, and answers requests with 200. */
  hear(): void {
    this.#say(HEAR)
  }

  close(): void {
    this.#say(END)
    void this.#worker.terminate()
  }

  #say(what: number): void {
    for (const filler of this.#fillers) filler.destroy()
    Atomics.store(this.#wake, 0, what)
    Atomics.notify(this.#wake, 0)
  }
}

import { type KeyObject, sign } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { Fifo } from '../../lib/fifo.ts'
import { type RsaAlgorithm, rsaKey, signature } from './signing-key.ts'

interface Job {
  readonly algorithm: RsaAlgorithm
  readonly key: KeyObject
  readonly input: Buffer
  readonly done: (signature: Buffer | Error) => void
}

/**
 * RSA signatures of this process. A signature takes the time of several deliveries, and the thread pool costs a little
 * more CPU for it: a single one is made at once on the main thread, and what comes in the same turn of the event loop, or
 * while others are under way, goes to the pool. There are no more under way than cores, because the pool also writes the log.
 */
export class RsaThreads {
  readonly #maxRunning: number
  readonly #waiting = new Fifo<Job>()
  #running = 0
  #hasSignedInTurn = false

  constructor(maxRunning = availableParallelism()) {
    this.#maxRunning = maxRunning
  }

  /** `done` is called once, perhaps before this returns. */
  sign(job: Job): void {
    if (this.#maxRunning === 1 || (this.#running === 0 && !this.#hasSignedInTurn)) this.#signHere(job)
    else if (this.#running < this.#maxRunning) this.#start(job)
    else this.#waiting.push(job)
  }

  #signHere({ algorithm, key, input, done }: Job): void {
    if (!this.#hasSignedInTurn) {
      this.#hasSignedInTurn = true
      setImmediate(() => {
        this.#hasSignedInTurn = false
      })
    }
    done(signature(algorithm, key, input))
  }

  #start({ algorithm, key, input, done }: Job): void {
    this.#running++
    sign('sha256', input, rsaKey(algorithm, key), (error, signed) => {
      this.#running--
      const next = this.#waiting.shift()
      if (next !== undefined) this.#start(next)
      done(error ?? signed)
    })
  }
}

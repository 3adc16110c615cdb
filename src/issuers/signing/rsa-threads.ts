import { type KeyObject, sign } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { type RsaAlgorithm, rsaKey, signature } from './signing-key.ts'

interface Job {
  readonly algorithm: RsaAlgorithm
  readonly key: KeyObject
  readonly input: Buffer
  readonly done: (signature: Buffer | Error) => void
}

/** So many are made at once in one turn of the event loop: two milliseconds. */
const HERE_PER_TURN = 8

/**
 * RSA signatures of this process. One takes the time of several deliveries, but a thread of the pool costs a third more for
 * it if it must be woken each time. So a few are made on the main thread; when more come in one turn of the event loop, all
 * go to the pool until it is empty again, and its threads do not fall asleep.
 */
export class RsaThreads {
  readonly #hasPool: boolean
  #running = 0
  #madeInTurn = 0

  constructor(cores = availableParallelism()) {
    this.#hasPool = cores > 1
  }

  /** `done` is called once, perhaps before this returns. */
  sign(job: Job): void {
    if (!this.#hasPool || (this.#running === 0 && this.#madeInTurn < HERE_PER_TURN)) this.#signHere(job)
    else this.#signInPool(job)
  }

  #signHere({ algorithm, key, input, done }: Job): void {
    if (this.#madeInTurn++ === 0)
      setImmediate(() => {
        this.#madeInTurn = 0
      })
    done(signature(algorithm, key, input))
  }

  #signInPool({ algorithm, key, input, done }: Job): void {
    this.#running++
    sign('sha256', input, rsaKey(algorithm, key), (error, signed) => {
      this.#running--
      done(error ?? signed)
    })
  }
}

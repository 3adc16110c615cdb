import { messageOf } from '../lib/errors.ts'

export interface WatchedFileEvents<T> {
  onReloaded(found: T): void
  /** At every look while the new version is unusable; `failures` counts the looks that ended in the same way. */
  onRefused(error: unknown, failures: number): void
}

/**
 * A file of the operator that is read again when it changes. `contentHash` is of all that was read: as long as it is the same,
 * so is the meaning.
 */
export class WatchedFile<T extends { readonly contentHash: string }> {
  /** Why the file cannot be used as it is now, so that what it said before stays in force. */
  problem: string | undefined
  readonly #read: () => Promise<T>
  readonly #use: (found: T) => void
  #contentHash = ''
  #changingHash = ''
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(read: () => Promise<T>, use: (found: T) => void) {
    this.#read = read
    this.#use = use
  }

  /** Throws what reading throws. */
  async open(): Promise<void> {
    this.#take(await this.#read())
  }

  /** Looks at the file every `everyMs`. */
  watch(everyMs: number, events: WatchedFileEvents<T>): void {
    let failures = 0
    const look = async (): Promise<void> => {
      try {
        const found = await this.#read()
        // Half of a file that is being written may be valid: a change counts when it is the same at two looks.
        const isWritten = found.contentHash === this.#changingHash
        this.#changingHash = found.contentHash
        if (found.contentHash !== this.#contentHash && isWritten) {
          this.#take(found)
          events.onReloaded(found)
        }
        if (found.contentHash === this.#contentHash) this.problem = undefined
        failures = 0
      } catch (error) {
        failures = messageOf(error) === this.problem ? failures + 1 : 1
        this.problem = messageOf(error)
        events.onRefused(error, failures)
      }
    }
    const again = (): void => {
      if (this.#isClosed) return
      this.#timer = setTimeout(() => look().finally(again), everyMs)
      this.#timer.unref()
    }
    again()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #take(found: T): void {
    this.#use(found)
    this.#contentHash = found.contentHash
    this.#changingHash = found.contentHash
  }
}

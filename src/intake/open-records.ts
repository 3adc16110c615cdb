import type { OpenRecord } from './offset-tracker.ts'

/** Records that are run again: no offset waits for them, but somebody wants to know when all of them are settled. */
export class OpenRecords {
  #open = 0
  #waiting: (() => void)[] = []

  /** A record that owes one thing from the start, as those of the offset tracker. */
  begin(): OpenRecord {
    let owed = 1
    this.#open++
    return {
      owe: () => {
        owed++
      },
      settled: () => {
        if (owed === 0) return
        owed--
        if (owed === 0) this.#end()
      },
    }
  }

  /** Resolves when no record is open, or `signal` aborts. */
  allSettled(signal: AbortSignal): Promise<void> {
    if (this.#open === 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  #end(): void {
    this.#open--
    if (this.#open > 0) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

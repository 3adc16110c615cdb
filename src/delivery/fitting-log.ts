import { codeOf } from '../lib/errors.ts'
import type { OutcomeLog, OutgoingRecord } from './outcome-log.ts'

/** Of several records. On its way a request is in memory once more, and it must come through before it times out. */
const REQUEST_BYTES_MAX = 4 * 1_024 * 1_024

/** More than any record has. */
const FORMS_MAX = 64

/**
 * Finds out what a topic takes. What is too large together is appended in halves; what is too large alone is made
 * shorter step by step until it fits, so that no record holds up all others for ever. Only a topic that refuses the
 * shortest form of a record as well makes it throw.
 */
export class FittingLog implements OutcomeLog {
  readonly #log: OutcomeLog
  readonly #onCut: (record: OutgoingRecord) => void

  /** `onCut` is called with a record, as it was to be, of which only a shorter form has been appended. */
  constructor(log: OutcomeLog, onCut: (record: OutgoingRecord) => void) {
    this.#log = log
    this.#onCut = onCut
  }

  async append(records: readonly OutgoingRecord[]): Promise<void> {
    const [first] = records
    if (first === undefined) return
    if (records.length > 1 && lengthOf(records) > REQUEST_BYTES_MAX) return this.#halves(records)
    try {
      await this.#log.append(records)
    } catch (error) {
      if (codeOf(error) !== 'LR_RECORD_TOO_LARGE') throw error
      if (records.length > 1) await this.#halves(records)
      else await this.#shortened(first, error)
    }
  }

  /** One after the other, because the records of a session stay in order. */
  async #halves(records: readonly OutgoingRecord[]): Promise<void> {
    const middle = Math.ceil(records.length / 2)
    await this.append(records.slice(0, middle))
    await this.append(records.slice(middle))
  }

  async #shortened(record: OutgoingRecord, refusal: unknown): Promise<void> {
    let forms = 0
    for (let it = record.shorter?.(); it !== undefined; it = it.shorter?.()) {
      // One that names itself as its shorter form would be tried for ever, without a turn of the event loop in between.
      if (++forms > FORMS_MAX) break
      try {
        await this.#log.append([it])
        this.#onCut(record)
        return
      } catch (error) {
        if (codeOf(error) !== 'LR_RECORD_TOO_LARGE') throw error
      }
    }
    throw refusal
  }
}

/** In characters where it is text, which is near enough. */
export function lengthOf(records: readonly OutgoingRecord[]): number {
  let sum = 0
  for (const { key, value, headers } of records) {
    sum += (key?.length ?? 0) + (value?.length ?? 0)
    for (const name in headers) {
      const it = headers[name]
      sum += name.length
      sum += Array.isArray(it) ? it.reduce((bytes, { length }) => bytes + length, 0) : (it?.length ?? 0)
    }
  }
  return sum
}

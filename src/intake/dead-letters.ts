import { lengthOf } from '../delivery/fitting-log.ts'
import type { OutcomeLog, OutgoingRecord } from '../delivery/outcome-log.ts'
import type { WireRecord } from '../events/wire-record.ts'
import { Gate } from '../lib/gate.ts'
import { MicroBatcher } from '../lib/micro-batcher.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import { deadLetter } from './dead-letter.ts'

export interface DeadLettersOptions extends RepeatedStep {
  readonly log: OutcomeLog
  readonly topic: string
  /** The topic's limit for one record in bytes; `undefined` if it is unknown. */
  readonly recordBytesMax: () => Promise<number | undefined>
  /** Called with the uncut record when the topic gets a shorter one. */
  readonly onCut: (record: OutgoingRecord) => void
}

interface Letter {
  readonly bytes: number
  readonly record: OutgoingRecord
  readonly onPublished: () => void
}

/** Few, because one letter may be megabytes long. */
const BATCH_MAX = 20
/** Letters that may wait. A flood of poison records must not fill the memory while the topic is slow. */
const WAITING_MAX = 200
const WAITING_BYTES_MAX = 8 * 1_024 * 1_024
/** Smaller letters fit into any topic, or are cut when it refuses them. */
const LARGE_BYTES = 900_000
/** Longer letters are cut whatever the topic accepts: a letter is in memory three times on its way. */
const RECORD_BYTES_MAX = 8 * 1_024 * 1_024
/** The overhead of a batch with one record. */
const BATCH_BYTES = 1_024

/** Publishes poison records. Repeats each until Kafka acknowledges it. */
export class DeadLetters {
  /** Open while more letters may wait; intake waits for it. */
  readonly room = new Gate(true)
  readonly #batcher: MicroBatcher<Letter>
  readonly #options: Pick<DeadLettersOptions, 'onCut' | 'recordBytesMax' | 'topic'>
  #waitingBytes = 0

  constructor(options: DeadLettersOptions) {
    const { log, onError, onRecovered } = options
    this.#options = options
    this.#batcher = new MicroBatcher({
      flush: async (letters) => log.append(await this.#fitting(letters)),
      onFlushed: (letter) => {
        this.#waitingBytes -= letter.bytes
        if (this.#batcher.size < WAITING_MAX / 2 && this.#waitingBytes < WAITING_BYTES_MAX / 2)
          this.room.open()
        letter.onPublished()
      },
      onError,
      onRecovered,
      maxBatch: BATCH_MAX,
    })
  }

  publish(wireRecord: WireRecord, reason: string, onPublished: () => void): void {
    const record = this.#cutTo(RECORD_BYTES_MAX, deadLetter(this.#options.topic, wireRecord, reason))
    const bytes = lengthOf([record])
    this.#waitingBytes += bytes
    this.#batcher.add({ bytes, record, onPublished })
    if (this.#batcher.size >= WAITING_MAX || this.#waitingBytes >= WAITING_BYTES_MAX) this.room.close()
  }

  /** Cuts each letter to the topic's limit. `FittingLog` cuts further if the topic still refuses it. */
  async #fitting(letters: readonly Letter[]): Promise<OutgoingRecord[]> {
    const records = letters.map(({ record }) => record)
    if (letters.every(({ bytes }) => bytes <= LARGE_BYTES)) return records
    const bytesMax = await this.#options.recordBytesMax()
    if (bytesMax === undefined) return records
    return records.map((record) => this.#cutTo(bytesMax - BATCH_BYTES, record))
  }

  #cutTo(bytesMax: number, record: OutgoingRecord): OutgoingRecord {
    let cut = record
    for (let it: OutgoingRecord | undefined = record; it !== undefined; it = it.shorter?.()) {
      cut = it
      if (lengthOf([it]) <= bytesMax) break
    }
    if (cut !== record) this.#options.onCut(record)
    return cut
  }

  idle(): Promise<void> {
    return this.#batcher.idle()
  }

  stop(): void {
    this.#batcher.stop()
  }
}

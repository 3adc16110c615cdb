import type { WireRecord } from '../events/wire-record.ts'
import { Gate } from '../lib/gate.ts'
import { MicroBatcher } from '../lib/micro-batcher.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import { deadLetter } from './dead-letter.ts'
import type { OutcomeLog, OutgoingRecord } from './outcome-log.ts'

export interface DeadLettersOptions extends RepeatedStep {
  readonly log: OutcomeLog
  readonly topic: string
}

interface Letter {
  readonly record: OutgoingRecord
  readonly onPublished: () => void
}

/** Few, because one of them may be megabytes long. */
const BATCH_MAX = 20
/** Letters that may wait; a flood of poison must not fill the memory while the topic is slow. */
const WAITING_MAX = 200

/** Publishes poison records, each until it is acknowledged. */
export class DeadLetters {
  /** Open while there is room for more; intake waits for it. */
  readonly room = new Gate(true)
  readonly #batcher: MicroBatcher<Letter>
  readonly #topic: string

  constructor({ log, topic, onError, onRecovered }: DeadLettersOptions) {
    this.#topic = topic
    this.#batcher = new MicroBatcher({
      flush: (letters) => log.append(letters.map(({ record }) => record)),
      onFlushed: (letter) => {
        if (this.#batcher.size < WAITING_MAX / 2) this.room.open()
        letter.onPublished()
      },
      onError,
      onRecovered,
      maxBatch: BATCH_MAX,
    })
  }

  publish(record: WireRecord, reason: string, onPublished: () => void): void {
    this.#batcher.add({ record: deadLetter(this.#topic, record, reason), onPublished })
    if (this.#batcher.size >= WAITING_MAX) this.room.close()
  }

  idle(): Promise<void> {
    return this.#batcher.idle()
  }

  stop(): void {
    this.#batcher.stop()
  }
}

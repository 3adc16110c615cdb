import type { RecentFacts } from '../diagnosis/facts.ts'
import { TypeNotes } from '../diagnosis/type-notes.ts'
import type { DecodeResult, Decoders } from '../events/decoding/decode-record.ts'
import { jsonIn } from '../events/decoding/envelope.ts'
import { describeSchema, frameOf, type SchemaName } from '../events/decoding/framing.ts'
import { knownTypes } from '../events/decoding/known-types.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { InputTopics, TopicList } from '../intake/input-topics.ts'
import type { LogReader } from '../intake/log-reader.ts'
import type { RecordBatch } from '../intake/record-source.ts'
import { systemClock } from '../lib/clock.ts'
import { codeOf } from '../lib/errors.ts'
import type { RecordMapping } from './record-mapping.ts'

export interface RecentReading {
  readonly decoders: Decoders
  readonly inputs: InputTopics
  readonly mapping: RecordMapping
  /** The topics that there are. */
  readonly topics: TopicList
  readonly reader: Pick<LogReader, 'bounds' | 'read'>
  /** Each result of a record. */
  readonly take: (decoded: DecodeResult) => void
}

/** Of all partitions together. */
const RECORDS_MAX = 50_000
const READ_MS_MAX = 8_000
const SCHEMAS_MAX = 5

/** Reads the last records of the topics, as far as that is done soon, as a relay would, and changes nothing. */
export async function readRecent(reading: RecentReading): Promise<RecentFacts> {
  const { inputs, mapping, reader, topics } = reading
  const recent = new Recent(reading)
  // It may have been read before, in vain.
  mapping.decoder.use(mapping.decoder.mappings)
  const existing = new Set(await topics.names())
  const names = (await inputs.look()).filter((it) => existing.has(it))
  const bounds = names.length === 0 ? [] : await reader.bounds(names)
  const share = Math.max(1, Math.floor(RECORDS_MAX / Math.max(bounds.length, 1)))
  const ranges = bounds.map((it) => ({ ...it, from: Math.max(it.from, it.to - share) }))
  try {
    await reader.read(ranges, async (batch) => recent.take(batch), AbortSignal.timeout(READ_MS_MAX))
  } catch (error) {
    // What was read until then counts.
    if (codeOf(error) !== 'LR_STOPPED') throw error
  }
  return recent.facts()
}

/** As `decoders.prepare`, for whoever goes past records whose schema cannot be had: nothing is lost by that. */
export function preparedIfPossible({ prepare }: Pick<Decoders, 'prepare'>) {
  let isAway = false
  return (record: WireRecord): Promise<void> | undefined => {
    if (isAway) return undefined
    return prepare(record)?.catch(() => {
      isAway = true
    })
  }
}

class Recent {
  readonly #reading: RecentReading
  readonly #types = new TypeNotes({ clock: systemClock, knownTypes, onNews: () => undefined })
  /** The last ones, by their names. */
  readonly #schemas = new Map<string, SchemaName>()
  #records = 0
  #sinceMs: number | undefined

  constructor(reading: RecentReading) {
    this.#reading = reading
  }

  take({ records }: RecordBatch): void {
    for (const record of records) {
      this.#records++
      const { timestampMs } = record
      if (timestampMs > 0) this.#sinceMs = Math.min(this.#sinceMs ?? timestampMs, timestampMs)
      this.#noteSchema(record)
      for (const decoded of this.#decoded(record)) {
        if (decoded.kind === 'skipped' && decoded.reason === 'unknown-type' && decoded.type !== undefined)
          this.#types.note(decoded.type, record)
        this.#reading.take(decoded)
      }
    }
  }

  facts(): RecentFacts {
    const { mapping } = this.#reading
    const rules = { uses: mapping.uses(), sinceMs: this.#sinceMs }
    return {
      records: this.#records,
      rules: mapping.decoder.mappings.length === 0 ? undefined : rules,
      unknownTypes: this.#types.read(),
      schemas: [...this.#schemas.values()],
    }
  }

  #decoded(record: WireRecord): readonly DecodeResult[] {
    try {
      return [this.#reading.decoders.decode(record, Date.now())].flat()
    } catch (error) {
      if (codeOf(error) !== 'LR_NOT_PREPARED') throw error
      return []
    }
  }

  /** JSON needs none. */
  #noteSchema(record: WireRecord): void {
    const frame = this.#reading.mapping.schemas === undefined ? undefined : frameOf(record)
    if (frame === undefined || jsonIn(frame.payload) !== undefined) return
    const name = describeSchema(frame.schema)
    this.#schemas.delete(name)
    this.#schemas.set(name, frame.schema)
    if (this.#schemas.size > SCHEMAS_MAX) this.#schemas.delete(this.#schemas.keys().next().value as string)
  }
}

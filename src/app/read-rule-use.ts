import type { RuleFacts } from '../diagnosis/facts.ts'
import type { Decoders } from '../events/decoding/decode-record.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { LogReader } from '../intake/log-reader.ts'
import type { RecordBatch } from '../intake/record-source.ts'
import { codeOf } from '../lib/errors.ts'
import type { RecordMapping } from './record-mapping.ts'

export interface RuleReading {
  readonly decoders: Decoders
  readonly inputs: InputTopics
  readonly mapping: RecordMapping
  readonly reader: Pick<LogReader, 'bounds' | 'read'>
}

/** Of all partitions together. */
const RECORDS_MAX = 50_000
const READ_MS_MAX = 8_000

/** Reads the last records of the topics, as far as that is done soon, and counts what each rule takes of them. */
export async function readRuleUse({ decoders, inputs, mapping, reader }: RuleReading): Promise<RuleFacts> {
  const bounds = await reader.bounds(inputs.names)
  const share = Math.max(1, Math.floor(RECORDS_MAX / Math.max(bounds.length, 1)))
  const ranges = bounds.map((it) => ({ ...it, from: Math.max(it.from, it.to - share) }))
  let sinceMs: number | undefined
  const take = async ({ records }: RecordBatch): Promise<void> => {
    for (const record of records) {
      decoders.decode(record, Date.now())
      if (record.timestampMs > 0) sinceMs = Math.min(sinceMs ?? record.timestampMs, record.timestampMs)
    }
  }
  try {
    await reader.read(ranges, take, AbortSignal.timeout(READ_MS_MAX))
  } catch (error) {
    // What was read until then counts.
    if (codeOf(error) !== 'LR_STOPPED') throw error
  }
  return { uses: mapping.uses(), sinceMs }
}

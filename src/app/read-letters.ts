import type { DeadLetterFacts } from '../diagnosis/facts.ts'
import type { Decoders } from '../events/decoding/decode-record.ts'
import { headerText, type WireRecord } from '../events/wire-record.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { LogReader, PartitionRange } from '../intake/log-reader.ts'
import { codeOf } from '../lib/errors.ts'
import { printable } from '../lib/printable.ts'
import { type LetterFate, originalRecord } from '../recovery/original-record.ts'

export interface LetterReading {
  readonly decoders: Decoders
  readonly inputs: InputTopics
  readonly reader: Pick<LogReader, 'read'>
}

/** Of all partitions together, the last ones. A letter may be megabytes long. */
const LETTERS_MAX = 5_000
const READ_MS_MAX = 5_000
const REASON_CHARACTERS_MAX = 200

/** Reads dead letters, which relays of other topics may share, and what would become of their records now. */
export async function readLetters(
  { decoders, inputs, reader }: LetterReading,
  topic: string,
  ranges: readonly PartitionRange[],
): Promise<DeadLetterFacts> {
  const share = Math.floor(LETTERS_MAX / Math.max(ranges.length, 1))
  const wanted = ranges.map((it) => ({ ...it, from: Math.max(it.from, it.to - share) }))
  let [ofOthers, isPart] = [0, wanted.some(({ from }, i) => from > (ranges[i]?.from ?? 0))]
  /** By the record's own place: relays of several groups may make a letter of it each, and a replay a further one. */
  const own = new Map<string, { readonly letter: WireRecord; readonly fate: LetterFate }>()
  const take = async (letter: WireRecord): Promise<void> => {
    if (!inputs.isSelected(headerOf(letter, 'topic'))) ofOthers++
    else own.set(placeOf(letter), { letter, fate: await fateOf(letter, inputs, decoders) })
  }
  try {
    await reader.read(
      wanted,
      async ({ records }) => {
        for (const letter of records) await take(letter)
      },
      AbortSignal.timeout(READ_MS_MAX),
    )
  } catch (error) {
    if (codeOf(error) !== 'LR_STOPPED') throw error
    isPart = true
  }
  const told = [...own.values()].filter(({ fate }) => fate.kind === 'again' || fate.isWithoutEffect !== true)
  const last = told
    .map(({ letter }) => letter)
    .toSorted((a, b) => a.timestampMs - b.timestampMs)
    .at(-1)
  return {
    topic,
    count: told.length,
    readable: told.filter(({ fate }) => fate.kind === 'again').length,
    ofOthers,
    isPart,
    ...(last !== undefined && {
      last: {
        from: placeOf(last),
        reason: printable(headerOf(last, 'reason').slice(0, REASON_CHARACTERS_MAX)),
        atMs: last.timestampMs,
      },
    }),
  }
}

async function fateOf(letter: WireRecord, inputs: InputTopics, decoders: Decoders): Promise<LetterFate> {
  try {
    return await originalRecord(letter, inputs.names, decoders, Date.now())
  } catch {
    return { kind: 'left', why: 'its schema cannot be looked up' }
  }
}

function placeOf(letter: WireRecord): string {
  return ['topic', 'partition', 'offset'].map((name) => headerOf(letter, name)).join('/')
}

function headerOf({ headers }: WireRecord, name: string): string {
  return headerText(headers, `dead-letter-${name}`) ?? ''
}

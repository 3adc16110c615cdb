import { createIssuers, issuersLayout } from '../../app/create-issuers.ts'
import { RecordMapping } from '../../app/record-mapping.ts'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import type { OutgoingRecord } from '../../delivery/outcome-log.ts'
import { KafkaLogReader } from '../../kafka/kafka-log-reader.ts'
import { KafkaOutcomeLog } from '../../kafka/kafka-outcome-log.ts'
import { systemClock } from '../../lib/clock.ts'
import { RelayFault } from '../../lib/errors.ts'
import { type LetterFate, originalRecord } from '../../recovery/original-record.ts'
import { type RequestedRange, resolveRange } from '../../recovery/replay-range.ts'
import { inputTopics, kafkaClient, openKafka, reachable } from '../backends.ts'
import { EXIT_CODE } from '../exit-code.ts'
import type { Output } from '../output.ts'

const READ_FAILURES_MAX = 8
const SENT_AT_ONCE = 100

export const deadLettersLayout = {
  ...issuersLayout,
  intake: { file: layout.intake.file },
  kafka: {
    ...kafkaClient,
    topics: layout.kafka.topics,
    deadLetterTopic: layout.kafka.deadLetterTopic,
  },
  records: layout.records,
} as const satisfies Layout

/**
 * Puts the records of a range of the dead-letter topic back where they came from; the relays take them up as they come.
 * What has its outcome by now is owed nothing any more, so this may be done again.
 */
export async function sendDeadLetters(
  range: RequestedRange,
  isDryRun: boolean,
  output: Output,
): Promise<void> {
  const config = readConfigPart(deadLettersLayout)
  const { deadLetterTopic: topic } = config.kafka
  const issuers = createIssuers(config, systemClock)
  await issuers.open()
  const mapping = await new RecordMapping(config.records).open()
  const { kafka, topics } = await openKafka(config.kafka)
  const log = new KafkaOutcomeLog(kafka, topics)
  const decoders = mapping.decoders((name) => issuers.resolve(name))
  let [sent, left] = [0, 0]
  try {
    const inputs = await inputTopics(config.kafka.topics, topics, config.intake.file)
    const reader = new KafkaLogReader(kafka, topics, { failuresMax: READ_FAILURES_MAX })
    const ranges = await reachable('Kafka', resolveRange(range, [topic], reader))
    const wanted = ranges.filter(({ from, to }) => from < to)
    const take = async (records: readonly OutgoingRecord[]): Promise<void> => {
      if (!isDryRun) await log.append(records)
      sent += records.length
    }
    await reachable(
      'Kafka',
      reader.read(
        wanted,
        async ({ partition, records }) => {
          const end = wanted.find((it) => it.partition === partition)?.to ?? 0
          const letters = records.filter(({ offset }) => offset < end)
          // Before the first is sent: where a schema cannot be looked up, the batch is read again.
          const fates: LetterFate[] = []
          for (const letter of letters)
            fates.push(await originalRecord(letter, inputs.names, decoders, systemClock.now()))
          let again: OutgoingRecord[] = []
          for (const [i, fate] of fates.entries()) {
            if (fate.kind === 'left') {
              left++
              output.note(`left: ${topic}/${partition}/${letters[i]?.offset}: ${fate.why}`)
              continue
            }
            again.push(fate.record)
            if (again.length < SENT_AT_ONCE) continue
            await take(again)
            again = []
          }
          await take(again)
        },
        new AbortController().signal,
      ),
    )
  } finally {
    await log.close()
    await topics.close()
  }
  output.line(`${sent} records ${isDryRun ? 'would be sent' : 'sent'} again, ${left} left`)
  if (output.isJson) output.json({ sent: isDryRun ? 0 : sent, left, ...(isDryRun && { wouldBeSent: sent }) })
  if (left > 0) process.exitCode = EXIT_CODE.failed
}

/** Throws `LR_USAGE` for what has no meaning for dead letters. */
export function checkAlone(options: Readonly<Record<string, unknown>>): void {
  const allowed = new Set(['deadLetters', 'from', 'to', 'offsets', 'dryRun', 'json'])
  const other = Object.keys(options).find((name) => !allowed.has(name) && options[name] !== undefined)
  if (other === undefined) return
  throw new RelayFault('LR_USAGE', `--${other}: cannot be used with --dead-letters`)
}

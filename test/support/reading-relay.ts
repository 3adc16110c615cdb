import { Assignment, type FetchGap } from '../../src/intake/assignment.ts'
import type { PassedPosition } from '../../src/intake/log-edges.ts'
import type { PartitionQueue } from '../../src/intake/partition-queue.ts'
import type { GroupPosition } from '../../src/kafka/group-positions.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { KafkaRecordSource, type KafkaRecordSourceOptions } from '../../src/kafka/kafka-record-source.ts'
import { namedTopics } from './named-topics.ts'

export interface ReadingOptions {
  readonly kafkaBrokers: string
  readonly topic: string
  readonly groupId: string
  readonly startFrom?: 'latest' | 'earliest'
  readonly recalled?: readonly GroupPosition[]
  readonly keep?: KafkaRecordSourceOptions['keep']
}

/** What of a relay reads the log: its source and its assignment, with work that settles each record at once. */
export class ReadingRelay {
  readonly values: string[] = []
  readonly passed: PassedPosition[] = []
  readonly gaps: FetchGap[] = []
  readonly source: KafkaRecordSource
  readonly assignment: Assignment

  static async start(options: ReadingOptions): Promise<ReadingRelay> {
    const relay = new ReadingRelay(options)
    await relay.source.start(relay.assignment, new AbortController().signal)
    return relay
  }

  private constructor({
    kafkaBrokers,
    topic,
    groupId,
    startFrom = 'earliest',
    recalled = [],
    keep = async () => undefined,
  }: ReadingOptions) {
    this.source = new KafkaRecordSource({
      epoch: () => undefined,
      onElsewhere: () => undefined,
      kafka: createKafkaClient(kafkaBrokers.split(','), 'test', () => undefined),
      inputs: namedTopics(topic),
      groupId,
      startFrom,
      stallMs: 45_000,
      sessionTimeoutMs: 3_000,
      keep,
      onTrouble: () => undefined,
      onMembership: () => undefined,
      edges: {
        positionPassed: (passed) => void this.passed.push(passed),
        openTransactions: () => undefined,
      },
      recall: async () => recalled.map(({ start = 0, topicId = '', ...it }) => ({ ...it, start, topicId })),
    })
    this.assignment = new Assignment({
      source: this.source,
      work: (queue) => this.#work(queue),
      commitIntervalMs: 20,
      onCommitFailed: () => undefined,
      onOutcomeSkipped: () => undefined,
      onGap: (gap) => void this.gaps.push(gap),
      onRevoked: async () => undefined,
    })
  }

  stop(): Promise<void> {
    return this.source.stop()
  }

  async #work(queue: PartitionQueue): Promise<void> {
    for (let item = queue.next(); item !== undefined; item = queue.next()) {
      if ('skipTo' in item) queue.tracker.skipTo(item.skipTo)
      else {
        this.values.push(String(item.record.value))
        queue.tracker.begin(item.record.offset).acknowledge()
      }
    }
  }
}

import type { Fact, TopicFacts } from './facts.ts'

export interface BrokerFacts {
  readonly nodeId: number
  /** As the broker advertises them. */
  readonly host: string
  readonly port: number
}

export interface PartitionFacts {
  readonly partition: number
  /** -1 without one. */
  readonly leader: number
  /** Ids of brokers. */
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

/** How a topic lies on the brokers. */
export interface TopicLayout {
  readonly partitions: readonly PartitionFacts[]
  readonly limits: Fact<{ readonly minInSync: number; readonly messageBytesMax: number }>
}

export interface GroupFacts {
  /** Kafka's word: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty`, `Dead`. */
  readonly state: string
  readonly members: readonly { readonly clientId: string; readonly host: string }[]
}

/** How far the group has come in one partition. All but the first two are offsets. */
export interface PartitionProgress {
  readonly topic: string
  readonly partition: number
  /** Undefined when the group has committed nothing. */
  readonly committed: number | undefined
  /** The oldest record that is left, and the one after the newest. */
  readonly low: number
  readonly high: number
  /** Where reading ends: before `high` while a transaction of another producer is open. */
  readonly readable: number
  /** The time of the first record that such a transaction hides. Milliseconds since the epoch. */
  readonly hiddenSinceMs?: number
  /** What was committed was committed for another topic of this name. */
  readonly isOfOther: boolean
  /** The first record that is younger than a deadline; `high` when there is none. */
  readonly young: number
}

/** A Kafka that answers, for questions to it. They throw when it does not answer any more. */
export interface ExaminedKafka {
  brokers(): Promise<readonly BrokerFacts[]>
  topics(): Promise<readonly TopicFacts[]>
  layout(topic: string): Promise<TopicLayout>
  group(): Promise<Fact<GroupFacts>>
  /** Of all partitions of the input topics; `sinceMs` is the deadline, in milliseconds since the epoch. */
  progress(sinceMs: number): Promise<Fact<readonly PartitionProgress[]>>
  /** Records that became dead letters since then and are still in their topic. Milliseconds since the epoch. */
  deadLetters(sinceMs: number): Promise<Fact<number>>
  close(): Promise<void>
}

import type { SchemaName } from '../events/decoding/framing.ts'
import type { OpenTransaction, PassedPosition } from '../intake/log-edges.ts'
import type { ReachedKafka } from './create-topic.ts'
import type { FeedFacts } from './feed-files.ts'

/** Something that was looked up, or the reason why it could not be. */
export type Fact<T> = { readonly value: T } | { readonly unread: string }

/** The server's answer to a write that it refused. */
export interface Refusal {
  /** The first word of Redis' error, such as `READONLY`. */
  readonly code: string
  readonly message: string
}

/** A key under the relay's prefix. */
export interface PrefixedKey {
  readonly key: string
  /** As Redis' TYPE names it. */
  readonly type: string
  /** The type that the layout gives it; `undefined` for a key that the layout does not know. */
  readonly expected: string | undefined
  /** There is one of it, and everything depends on it; others belong to one session, user or RP. */
  readonly isSingle: boolean
  /** Of a backlog, how many of its entries are not the relay's. */
  readonly setAside?: number
  /** It holds as many registrations as a session may have. */
  readonly isFull?: boolean
  /** Something in it is larger than the relay reads. */
  readonly isOversize?: boolean
}

/** Whose sessions and parked deliveries a store holds, as far as it was looked through. */
export interface StoreOwners {
  /** Some belong to issuers of this relay. */
  readonly hasOwn: boolean
  /** There was nothing of anybody when it was looked through first. */
  readonly wasEmpty: boolean
  /** Issuers that this relay does not know, with the number of their keys. */
  readonly others: ReadonlyMap<string, number>
}

export interface RedisFacts {
  readonly prefix: string
  /** Undefined when a write was accepted. */
  readonly refusedWrite: Refusal | undefined
  /** `master` as `host:port`, for a replica. */
  readonly role: Fact<{ readonly isReplica: boolean; readonly master?: string }>
  /** `maxMemoryBytes` is 0 without a bound, undefined when it is not known. */
  readonly eviction: Fact<{ readonly policy: string; readonly maxMemoryBytes: number | undefined }>
  /** Since the server was started, whoever's they were. */
  readonly evictedKeys: Fact<number>
  /** `snapshots` is undefined when it is not known. */
  readonly persistence: Fact<{
    readonly appendOnly: boolean
    readonly snapshots: boolean | undefined
    readonly isFailing: boolean
  }>
  /** The consumer group that first used this prefix. */
  readonly groupId: Fact<string | undefined>
  /** A bounded sample, and all keys that exist only once. */
  readonly prefixedKeys: Fact<readonly PrefixedKey[]>
  readonly owners: Fact<StoreOwners>
  /** Of a bounded sample, the keys outside of the prefix. */
  readonly foreignKeys: Fact<readonly string[]>
}

export interface EpochFacts {
  readonly isSet: boolean
  /** Undefined when the server does not tell its run. */
  readonly isOfThisRun: boolean | undefined
  /** A replica holds the lock of a rebuild. */
  readonly isRebuilding: boolean
  /** A relay has used the prefix: it was there at least. */
  readonly isInUse: boolean
  /** And has taken up records of the topic. */
  readonly hasPositions: boolean
}

/** What the doctor wants to know of Redis beside what the service checks itself. */
export interface RedisServerFacts {
  readonly prefix: string
  /** The server's name and version, such as `redis 7.2.4`. */
  readonly version: Fact<string>
  /** `maxBytes` is 0 without a bound. */
  readonly memory: Fact<{ readonly usedBytes: number; readonly maxBytes: number }>
  /** The quickest of a few. Milliseconds. */
  readonly pingMs: number
  readonly epoch: Fact<EpochFacts>
}

export type TopicRole = 'input' | 'outcome' | 'shadow' | 'dead-letter'

export interface TopicSettings {
  /** `delete`, `compact`, or both. */
  readonly cleanupPolicies: readonly string[]
  /** -1 for no end. */
  readonly retentionMs: number
  /** Per partition; -1 for no bound. */
  readonly retentionBytes: number
}

/** The topics that a pattern brings. */
export interface PatternFacts {
  readonly matches: number
  /** Topics of all patterns that are not read, because there are too many. */
  readonly left: number
}

export interface TopicFacts {
  readonly topic: string
  /** What the relay uses it for; a topic that is both input and outcome topic has both. */
  readonly roles: readonly TopicRole[]
  /** 0 when the topic does not exist. */
  readonly partitions: number
  /** The relay goes on without it: only webhooks are written there. */
  readonly isOptional?: boolean
  /** For a pattern in the place of a topic, which has no partitions of its own. */
  readonly pattern?: PatternFacts
  readonly settings: Fact<TopicSettings>
}

/** Records that became dead letters for one reason, although they could be read. */
export interface RefusedRecords {
  /** Without the names of keys. */
  readonly reason: string
  readonly count: number
  /** Of the last one. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Records of a type that nobody here reads. The position is of the last one. */
export interface UnknownType {
  /** Cut, and printable. */
  readonly type: string
  /** The known type that it was probably meant to be. */
  readonly nearest?: string
  readonly count: number
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface UnknownTypes {
  readonly types: readonly UnknownType[]
  /** Records of further types, which are not told one by one. */
  readonly further: number
}

/** What has happened at the ends of the log since the process started, and what is the case there now. */
export interface LogFacts {
  readonly passed: readonly PassedPosition[]
  readonly open: readonly OpenTransaction[]
  readonly refused: readonly RefusedRecords[]
  /** For people: which outcomes a rebuild has not believed. */
  readonly disbelieved: readonly string[]
  readonly unknownTypes: UnknownTypes
  /** The topics that did not take their last webhook. */
  readonly webhookFailures?: readonly WebhookFailure[]
}

/** Webhooks of which Kafka has not acknowledged the records. */
export interface WebhookFailure {
  readonly topic: string
  /** It is missing, or closed to the relay, while Kafka itself answers. */
  readonly isOfTopic: boolean
  readonly reason: string
  /** In a row. */
  readonly failures: number
  /** The first and the last of them; milliseconds since the epoch. */
  readonly sinceMs: number
  readonly lastMs: number
}

/** How many records a rule of `MAPPING_FILE` has taken. */
export interface RuleUse {
  /** The mapping, by the first of its topics. */
  readonly mapping: string
  /** `undefined` for records that none of its rules took. */
  readonly rule: string | undefined
  /** It comes with the relay, so it is no wonder if the platform never makes such a record. */
  readonly isOfPreset: boolean
  readonly records: number
}

/** What rules took of the last records of their topics. */
export interface RuleFacts {
  readonly uses: readonly RuleUse[]
  /** The time of the first of these records, as far as it is known. Milliseconds since the epoch. */
  readonly sinceMs: number | undefined
}

/** What the last records of the input topics say, as a relay would read them. */
export interface RecentFacts {
  readonly records: number
  /** `undefined` without a mapping file. */
  readonly rules: RuleFacts | undefined
  readonly unknownTypes: UnknownTypes
  /** Those that the last of them in Avro were written with. */
  readonly schemas: readonly SchemaName[]
}

export interface DeadLetterFacts {
  readonly topic: string
  /** Records of the input topics of this relay, each once, whoever has made a dead letter of it. */
  readonly count: number
  /** Those of them that can be read now, and would have an effect. */
  readonly readable: number
  /** Dead letters of other topics. */
  readonly ofOthers: number
  /** There are more, which were not read. */
  readonly isPart: boolean
  readonly last?: { readonly from: string; readonly reason: string; readonly atMs: number }
}

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
  /** The first record whose logouts are not late yet; `high` when there is none. */
  readonly young: number
}

/** A Kafka that answers, for questions to it. They throw when it does not answer any more. */
export interface ExaminedKafka {
  brokers(): Promise<readonly BrokerFacts[]>
  topics(): Promise<readonly TopicFacts[]>
  layout(topic: string): Promise<TopicLayout>
  group(): Promise<Fact<GroupFacts>>
  /** Of all partitions of the input topics; `sinceMs`: what is older is late, in milliseconds since the epoch. */
  progress(sinceMs: number): Promise<Fact<readonly PartitionProgress[]>>
  /** Of those since then that are still in their topic. Milliseconds since the epoch. */
  deadLetters(sinceMs: number): Promise<Fact<DeadLetterFacts>>
  /** What files name, when the topics have been looked up. */
  feed(): FeedFacts
  /** Of the last records of the input topics. */
  recent(): Promise<RecentFacts>
  close(): Promise<void>
}

/** What the configuration says, for the checks to hold the facts against. */
export interface Expectations {
  readonly groupId: string
  readonly lateAfterMs: number
  readonly retryDeadlineMs: number
  readonly sessionLifetimeMs: number
  /** They stand in a file, and not in `ISSUER`. */
  readonly hasIssuersFile: boolean
  /** Some of the issuers that are served; none where they are not known. */
  readonly issuers: () => readonly string[]
  /** For commands that it names. */
  readonly kafka?: ReachedKafka | undefined
}

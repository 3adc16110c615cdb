import type { InputTopics } from '../intake/input-topics.ts'
import { settledWithin } from '../lib/deferred.ts'
import { type GroupMember, isSubscribed } from './kafkajs/group-internals.ts'

export interface TopicChange {
  readonly added: readonly string[]
  readonly left: readonly string[]
}

export interface TopicFollowerOptions {
  readonly inputs: InputTopics
  /** Topics that a pattern brings are read from now on, or not any more. */
  readonly onChange: (change: TopicChange) => void
}

/** The delay until topics that match a pattern are noticed. */
const LOOK_MS = 5_000
const LOOK_MS_MAX = 2_000

/**
 * Looks which topics match the patterns while the relay runs. A member that should read others rejoins; that makes the whole
 * group rejoin, and every member looks before it does, so that one rebalance is enough.
 */
export class TopicFollower {
  readonly #options: TopicFollowerOptions
  #member: GroupMember | undefined
  #timer: NodeJS.Timeout | undefined
  #isEnded = false
  #shouldRejoin = false
  /** As told to `onChange`. */
  #followed: readonly string[] = []

  constructor(options: TopicFollowerOptions) {
    this.#options = options
  }

  get topics(): readonly string[] {
    return this.#options.inputs.names
  }

  /** Without patterns nothing ever changes. */
  start(): void {
    if (this.#options.inputs.selection.patterns.length > 0) this.#lookLater()
  }

  stop(): void {
    this.#isEnded = true
    clearTimeout(this.#timer)
  }

  /** Looks once. Never throws, and does not take long: the consumer itself reports that Kafka is away. */
  async look(): Promise<void> {
    await settledWithin(this.#options.inputs.look(), LOOK_MS_MAX)
  }

  /** The member has joined, with these topics. */
  begin(member: GroupMember, subscribed: Iterable<string>): void {
    this.#member = member
    this.#shouldRejoin = false
    const { inputs, onChange } = this.#options
    const now = [...subscribed].filter((topic) => inputs.patternOf(topic) !== undefined)
    const [before, after] = [new Set(this.#followed), new Set(now)]
    const added = now.filter((topic) => !before.has(topic))
    const left = this.#followed.filter((topic) => !after.has(topic))
    this.#followed = now
    if (added.length + left.length > 0) onChange({ added, left })
  }

  /** There is no member until the next `begin`. */
  end(): void {
    this.#member = undefined
    this.#shouldRejoin = false
  }

  /** Whether the member should rejoin now. Once after each look at most, since the rejoin itself may not help yet. */
  takeRejoin(): boolean {
    const isWanted = this.#shouldRejoin
    this.#shouldRejoin = false
    return isWanted
  }

  #lookLater(): void {
    this.#timer = setTimeout(async () => {
      await this.look()
      if (this.#isEnded) return
      this.#shouldRejoin = this.#member !== undefined && !isSubscribed(this.#member, this.topics)
      this.#lookLater()
    }, LOOK_MS).unref()
  }
}

import { isSelected, patternOf, type TopicSelection, withOptional } from '../events/topic-selection.ts'

export interface TopicList {
  /** The topics of the cluster that this relay may see. Throws when the cluster does not answer. */
  names(): Promise<readonly string[]>
}

/** A pattern, and how many topics it brings now. */
export interface PatternUse {
  readonly pattern: string
  readonly matches: number
}

/**
 * Beyond so many topics of patterns the rest is not read. After each join kafkajs copies an object as often as the member has
 * topics: with 2,000 that takes longer than the group waits for a heartbeat.
 */
export const MATCHED_TOPICS_MAX = 1_000

/**
 * The topics that are read now: those that are named, and those that exist and match a pattern. For whoever reads the log,
 * in a relay and in commands alike.
 */
export class InputTopics {
  #selection: TopicSelection
  readonly #list: TopicList
  #names: readonly string[]
  #matched: readonly string[] = []
  /** Matched topics that the last look did not find. */
  #missing: ReadonlySet<string> = new Set()
  #left = 0

  constructor(selection: TopicSelection, list: TopicList) {
    this.#selection = selection
    this.#list = list
    this.#names = selection.names
  }

  get selection(): TopicSelection {
    return this.#selection
  }

  /** Before the first look: these are read from when they exist, and need not be there. */
  makeOptional(topics: readonly string[]): void {
    this.#selection = withOptional(this.#selection, topics)
    this.#names = this.#selection.names
  }

  /** As of the last look; before the first only what is named. The same array until something changes. */
  get names(): readonly string[] {
    return this.#names
  }

  /** Those of `names` that a pattern brings, sorted. */
  get matched(): readonly string[] {
    return this.#matched
  }

  /** Topics that match and are not read, because there are too many. */
  get left(): number {
    return this.#left
  }

  /**
   * Looks which topics match now. A topic leaves when two looks in a row do not find it: a broker that has just started may
   * not know all topics yet. Without patterns nobody is asked. Throws when the cluster does not answer.
   */
  async look(): Promise<readonly string[]> {
    const { names, patterns } = this.selection
    if (patterns.length === 0) return this.#names
    const existing = new Set(await this.#list.names())
    const found = [...existing].filter((topic) => patternOf(this.selection, topic) !== undefined)
    const missing = this.#matched.filter((topic) => !existing.has(topic))
    const kept = missing.filter((topic) => !this.#missing.has(topic))
    this.#missing = new Set(missing)
    const all = [...found, ...kept].sort()
    const matched = all.slice(0, MATCHED_TOPICS_MAX)
    this.#left = all.length - matched.length
    if (matched.length !== this.#matched.length || matched.some((it, i) => it !== this.#matched[i])) {
      this.#matched = matched
      this.#names = [...names, ...matched]
    }
    return this.#names
  }

  /** The first pattern that brings the topic; `undefined` for a topic that is named. */
  patternOf(topic: string): string | undefined {
    return patternOf(this.selection, topic)
  }

  /** Whether one of these patterns, as far as they are still configured, brings the topic. */
  isOf(patterns: ReadonlySet<string>, topic: string): boolean {
    const configured = this.selection.patterns.filter((it) => patterns.has(it))
    return patternOf({ ...this.selection, patterns: configured }, topic) !== undefined
  }

  /** Whether the topic is read, or would be if it existed. */
  isSelected(topic: string): boolean {
    return isSelected(this.selection, topic)
  }

  /** As of the last look. */
  uses(): PatternUse[] {
    return this.selection.patterns.map((pattern) => ({
      pattern,
      matches: this.#matched.filter((topic) => patternOf({ ...this.selection, patterns: [pattern] }, topic))
        .length,
    }))
  }
}

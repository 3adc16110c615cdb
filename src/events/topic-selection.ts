/** Which topics the relay reads, as configured. */
export interface TopicSelection {
  /** Topics by their names: each is read, and has to exist. */
  readonly names: readonly string[]
  /** `*` stands for any characters; without one it is a topic that need not exist. Every topic that matches one is read, from when it exists. */
  readonly patterns: readonly string[]
  /** Topics that the relay writes itself. No pattern matches them. */
  readonly excluded: readonly string[]
}

/** Topics of Kafka itself, such as `__consumer_offsets`. */
const INTERNAL = '__'

export function isPattern(entry: string): boolean {
  return entry.includes('*')
}

/** Whether the name, in which `*` stands for any characters, is that topic's. */
export function isTopic(name: string, topic: string): boolean {
  if (!isPattern(name)) return name === topic
  const [first = '', ...rest] = name.split('*')
  const last = rest.pop() ?? ''
  if (topic.length < first.length + last.length || !topic.startsWith(first) || !topic.endsWith(last))
    return false
  let from = first.length
  for (const part of rest) {
    const found = topic.indexOf(part, from)
    if (found === -1 || found + part.length > topic.length - last.length) return false
    from = found + part.length
  }
  return true
}

/** The first pattern that selects the topic; `undefined` for a topic that is selected by its name, or not at all. */
export function patternOf({ names, patterns, excluded }: TopicSelection, topic: string): string | undefined {
  if (names.includes(topic) || excluded.includes(topic) || topic.startsWith(INTERNAL)) return undefined
  return patterns.find((it) => isTopic(it, topic))
}

/**
 * With these read from when they exist, as those of patterns are: none of them has to. One that a wider pattern brings becomes a
 * pattern of its own too, so that it is seen whether it is there.
 */
export function withOptional(selection: TopicSelection, topics: readonly string[]): TopicSelection {
  const { excluded, names, patterns } = selection
  // Where the relay writes itself it cannot go on without.
  const optional = [...new Set(topics)].filter((it) =>
    names.includes(it)
      ? !excluded.includes(it)
      : patternOf(selection, it) !== undefined && !patterns.includes(it),
  )
  return {
    ...selection,
    names: names.filter((it) => !optional.includes(it)),
    patterns: [...patterns, ...optional],
  }
}

/** Whether the topic is read if it exists. */
export function isSelected(selection: TopicSelection, topic: string): boolean {
  return selection.names.includes(topic) || patternOf(selection, topic) !== undefined
}

/** As it is configured, for people. */
export function selectionText({ names, patterns }: TopicSelection): string {
  return [...names, ...patterns].join(', ')
}

import { InputTopics } from '../../src/intake/input-topics.ts'

/** Input topics without patterns. */
export function namedTopics(...names: readonly string[]): InputTopics {
  return new InputTopics({ names, patterns: [], excluded: [] }, { names: async () => names })
}

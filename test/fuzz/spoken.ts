import { parseExactJson } from '../../src/lib/exact-json.ts'

const DEPTH_MAX = 8

/** What a record says: every name and value in it, also within texts that are JSON or base64, as it stands and as it was meant. */
export function spokenIn(text: string): Set<string> {
  const spoken = new Set<string>()
  const hear = (value: unknown, depth: number): void => {
    if (depth > DEPTH_MAX || value === null || value === undefined) return
    if (typeof value === 'object') {
      for (const [name, it] of Object.entries(value)) {
        if (!Array.isArray(value)) spoken.add(name)
        hear(it, depth)
      }
      return
    }
    const said = String(value)
    spoken.add(said)
    if (typeof value !== 'string') return
    for (const inner of [said, Buffer.from(said, 'base64').toString()]) {
      if (inner.length < 2) continue
      try {
        hear(parseExactJson(inner), depth + 1)
      } catch {
        // It was a text.
      }
    }
  }
  for (const one of [text, ...text.split('\n')]) {
    try {
      hear(parseExactJson(one), 0)
    } catch {
      // Said elsewhere.
    }
  }
  return spoken
}

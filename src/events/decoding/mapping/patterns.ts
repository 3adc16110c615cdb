import { RE2JS } from 're2js'
import { spend } from './budget.ts'

const PATTERNS_MAX = 1_000
const UNITS_PER_MATCH = 20
/** Of the pattern's program, for each character of the text. */
const UNITS_PER_INSTRUCTION = 2
const patterns = new Map<string, RE2JS>()

/**
 * A pattern in RE2 syntax, whose matching takes time linear in the text: a record must not be able to hold its partition.
 * Throws for one that is not valid.
 */
export function patternOf(source: string): RE2JS {
  let pattern = patterns.get(source)
  if (pattern === undefined) {
    pattern = RE2JS.compile(source)
    if (patterns.size >= PATTERNS_MAX) patterns.clear()
    patterns.set(source, pattern)
  }
  return pattern
}

/** The first group of the pattern (the whole match of one without groups); `null` where it does not match. */
export function capture(text: unknown, source: string): string | null {
  if (typeof text !== 'string') return null
  const matcher = matcherOf(text, source)
  if (!matcher.find()) return null
  return matcher.group(matcher.groupCount() > 0 ? 1 : 0)
}

export function isMatch(text: unknown, source: string): boolean {
  return typeof text === 'string' && matcherOf(text, source).find()
}

function matcherOf(text: string, source: string) {
  const pattern = patternOf(source)
  spend(UNITS_PER_MATCH + UNITS_PER_INSTRUCTION * pattern.programSize() * text.length)
  return pattern.matcher(text)
}

import { slipsBetween } from '../config/misspelt-options.ts'

const SLIPS_MAX = 2
/** A short word that differs is another word: `user-signed-in` is no misspelt `user-signed-out`. */
const SHORT_WORD = 3

/**
 * The known type that a type was probably meant to be; `undefined` for one that looks like none. Case, separators and what a
 * reverse domain name puts before it do not count, and the longer words may have a slip or two.
 */
export function nearestType(type: string, known: readonly string[]): string | undefined {
  const words = wordsOf(type)
  const [nearest] = known
    .map((candidate) => ({ candidate, slips: slipsIn(words, wordsOf(candidate)) }))
    .filter(({ slips }) => slips <= SLIPS_MAX)
    .sort((a, b) => a.slips - b.slips)
  return nearest?.candidate
}

function wordsOf(type: string): string[] {
  return type
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}

/** The type may be written as one word, too. */
function slipsIn(words: readonly string[], wanted: readonly string[]): number {
  const whole = wanted.join('')
  const asOne = [words.join(''), words.at(-1) ?? ''].map((it) => slipsOf(it, whole, wanted.some(isShort)))
  const last = words.slice(-wanted.length)
  const inWords = wanted.reduce((sum, word, i) => {
    const given = last[i] ?? ''
    return sum + slipsOf(given, word, isShort(given) || isShort(word))
  }, 0)
  return Math.min(inWords, ...asOne)
}

function slipsOf(given: string, word: string, mustBeSame: boolean): number {
  if (given === word) return 0
  const isFar = Math.abs(given.length - word.length) > SLIPS_MAX
  return mustBeSame || isFar ? Number.POSITIVE_INFINITY : slipsBetween(given, word)
}

function isShort(word: string): boolean {
  return word.length <= SHORT_WORD
}

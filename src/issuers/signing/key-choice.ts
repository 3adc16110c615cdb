import { type TokenAlgorithm, tokenAlgorithms } from '../../events/registration.ts'
import type { SigningKey } from './signing-key.ts'

/**
 * The key that signs `algorithm` at that time: of those between their `notBefore` and `notAfter`, the one that became valid
 * last; of several that did so at once, the first. Milliseconds since the epoch.
 */
export function chosenKey(
  keys: readonly SigningKey[],
  algorithm: TokenAlgorithm,
  atMs: number,
): SigningKey | undefined {
  let best: SigningKey | undefined
  for (const key of keys) {
    if (!isValid(key, atMs) || !key.algorithms.includes(algorithm)) continue
    const isNewer = best === undefined || key.notBeforeMs > best.notBeforeMs
    if (isNewer || (key.notBeforeMs === best?.notBeforeMs && hasOtherName(best, algorithm))) best = key
  }
  return best
}

export function isValid({ notBeforeMs, notAfterMs }: SigningKey, atMs: number): boolean {
  return notBeforeMs <= atMs && atMs < notAfterMs
}

/** The key may be published under the other name of its algorithm, and some RPs compare it. */
function hasOtherName({ publicJwk: { alg } }: SigningKey, algorithm: TokenAlgorithm): boolean {
  return alg !== undefined && alg !== algorithm
}

/** What becomes of one key of a file if the file stays as it is. Times are milliseconds since the epoch. */
export interface KeyStanding {
  readonly key: SigningKey
  readonly signs: 'now' | 'later' | 'never'
  /** What it signs now, or then. */
  readonly algorithms: readonly TokenAlgorithm[]
  /** When it begins, where it signs later. */
  readonly fromMs?: number
  /** When another key replaces it, or its time ends. */
  readonly untilMs?: number
  /** Valid keys that it comes before, where it signs now; where it does not, the key that signs in its place until it does. */
  readonly rivals: readonly SigningKey[]
}

/** Of each key, in the order of the file. */
export function keyStandings(keys: readonly SigningKey[], nowMs: number): KeyStanding[] {
  const changes = [...new Set(keys.flatMap(({ notBeforeMs, notAfterMs }) => [notBeforeMs, notAfterMs]))]
    .filter((ms) => ms > nowMs && ms < Number.POSITIVE_INFINITY)
    .sort((a, b) => a - b)
  const times = [nowMs, ...changes]
  const choices = times.map((ms) => tokenAlgorithms.map((it) => chosenKey(keys, it, ms)))
  return keys.map((key) => {
    const signed = choices.map((chosen) => tokenAlgorithms.filter((_, i) => chosen[i] === key))
    const from = signed.findIndex(({ length }) => length > 0)
    const algorithms = signed[from] ?? []
    if (from === 0) {
      const isRival = (it: SigningKey) =>
        it !== key && isValid(it, nowMs) && it.algorithms.some((alg) => algorithms.includes(alg))
      return { key, signs: 'now', algorithms, rivals: keys.filter(isRival), ...endOf(0) }
    }
    const instead = tokenAlgorithms.flatMap((alg, i) =>
      key.algorithms.includes(alg) ? (choices[0]?.[i] ?? []) : [],
    )
    const rivals = [...new Set(instead)]
    if (from === -1) return { key, signs: 'never', algorithms, rivals }
    return { key, signs: 'later', algorithms, rivals, fromMs: times[from] as number, ...endOf(from) }

    function endOf(since: number): { untilMs?: number } {
      const end = signed.findIndex(({ length }, i) => i > since && length === 0)
      return end === -1 ? {} : { untilMs: times[end] as number }
    }
  })
}

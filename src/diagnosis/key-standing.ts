import { type KeyStanding, keyStandings } from '../issuers/signing/key-choice.ts'
import type { SigningKey } from '../issuers/signing/signing-key.ts'

const KIDS_SHOWN = 5

/** Such as `RSA, 2048 bits`. */
export function strengthOf({ privateKey }: Pick<SigningKey, 'privateKey'>): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = privateKey
  return type === 'rsa' ? `RSA, ${details?.modulusLength} bits` : type === 'ec' ? 'P-256' : 'Ed25519'
}

/** Why the key signs, or does not; undefined where it is the only one that can. */
export function standingReason(standing: KeyStanding, nowMs: number): string | undefined {
  const { key, signs, rivals } = standing
  switch (signs) {
    case 'now':
      return rivals.length === 0 ? undefined : `before ${kids(rivals)}: ${precedence(standing)}`
    case 'later':
      if (key.notBeforeMs > nowMs) return 'its notBefore is still to come'
      return `${kids(rivals)} signs until then`
    case 'never':
      if (key.notAfterMs <= nowMs) return `its notAfter was ${new Date(key.notAfterMs).toISOString()}`
      if (rivals.length === 0) return 'another key takes over at its notBefore'
      return `${kids(rivals)} signs instead: ${
        rivals.every(({ notBeforeMs }) => notBeforeMs > key.notBeforeMs)
          ? 'it became valid later'
          : 'it stands before this one in the file'
      }`
    default:
      return signs satisfies never
  }
}

/** Which key signs what, now and later, and why it and no other; empty where none does. */
export function signingText(keys: readonly SigningKey[], nowMs: number): string {
  const standings = keyStandings(keys, nowMs)
  const now = standings.flatMap((it) => {
    if (it.signs !== 'now') return []
    const reason = standingReason(it, nowMs)
    const why = reason === undefined ? '' : ` (${reason})`
    return `${it.key.kid} (${strengthOf(it.key)}) signs ${it.algorithms.join(' and ')}${why}`
  })
  const later = standings.flatMap(({ key, fromMs }) =>
    fromMs === undefined ? [] : `${key.kid} from ${new Date(fromMs).toISOString()}`,
  )
  return [now.join(', '), ...later].filter((it) => it !== '').join('; ')
}

/** By which rule it comes before the others. */
function precedence({ key, rivals }: KeyStanding): string {
  return rivals.every(({ notBeforeMs }) => notBeforeMs < key.notBeforeMs)
    ? 'its notBefore is the last that has come'
    : 'of keys with the same notBefore, or none as in PEM, the first in the file signs'
}

function kids(keys: readonly SigningKey[]): string {
  const more = keys.length - KIDS_SHOWN
  const shown = keys.slice(0, KIDS_SHOWN).map(({ kid }) => kid)
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

import type { DocumentAnswer } from '../egress/fetch-document.ts'
import type { TokenAlgorithm } from '../events/registration.ts'
import { keyStandings } from '../issuers/signing/key-choice.ts'
import type { SigningKeys } from '../issuers/signing/signing-keys.ts'
import type { Clock } from '../lib/clock.ts'
import { Examination } from './examination.ts'
import { examinePublished } from './examine-issuer.ts'
import { isTrouble } from './finding.ts'
import { checkPublished, keyPlaceOf } from './key-published.ts'
import { standingReason, strengthOf } from './key-standing.ts'

export interface ExaminedKey {
  readonly issuer: string | undefined
  /** Of one that the relay does not use, its kid or its place in the file. */
  readonly kid: string
  /** What it can sign. */
  readonly algorithms: readonly TokenAlgorithm[]
  readonly strength?: string
  readonly signs: 'now' | 'later' | 'never'
  /** Why it signs and no other, or why it does not; missing where it is the only one that can. */
  readonly reason?: string
  /** When it begins to sign, where it signs later, and when it ends. Milliseconds since the epoch. */
  readonly fromMs?: number
  readonly untilMs?: number
  /** Whether RPs can verify its tokens by the issuer's own JWK set. */
  readonly published: 'yes' | 'no' | 'unknown'
  /** What is wrong, or why nothing is known. */
  readonly publication?: string
}

export interface KeysExamination {
  readonly issuer: string | undefined
  readonly keys: SigningKeys
  readonly clock: Clock
  readonly fetchDocument: (uri: string) => Promise<DocumentAnswer>
}

/** All keys of a file, with what becomes of each. Throws `LR_KEYS_INVALID` when the file has no usable key. */
export async function examineKeys(examination: KeysExamination): Promise<readonly ExaminedKey[]> {
  const { issuer, keys, clock } = examination
  await keys.load()
  const publication = await publicationAt(examination)
  const now = clock.now()
  // The remedy is not shown here.
  const place = keyPlaceOf(issuer, undefined)
  const used = keyStandings(keys.all, now).map((standing): ExaminedKey => {
    const { key, signs, fromMs, untilMs } = standing
    const reason = standingReason(standing, now)
    return {
      issuer,
      kid: key.kid,
      algorithms: key.algorithms,
      strength: strengthOf(key),
      signs,
      ...(reason !== undefined && { reason }),
      ...(fromMs !== undefined && { fromMs }),
      ...(untilMs !== undefined && { untilMs }),
      ...publication((jwks) => checkPublished(key, jwks, now, place, fromMs)),
    }
  })
  const leftOut = keys.facts.leftOut.map(({ name, reason }): ExaminedKey => {
    return { issuer, kid: name, algorithms: [], signs: 'never', reason, published: 'unknown' }
  })
  return [...used, ...leftOut]
}

type Jwk = Readonly<Record<string, unknown>>
type Publication = Pick<ExaminedKey, 'published' | 'publication'>

/** Looks at what the issuer publishes, once for all of its keys. */
async function publicationAt({ issuer, fetchDocument }: KeysExamination) {
  const notes = new Examination('issuer')
  const jwks = issuer === undefined ? undefined : await examinePublished(issuer, { fetchDocument }, notes)
  const [trouble] = notes.all.filter((it) => it.check !== 'issuer-clock' && it.severity === 'error')
  const why = issuer === undefined ? 'no issuer is named' : (trouble?.text ?? 'it could not be read')
  return (check: (jwks: readonly Jwk[]) => ReturnType<typeof checkPublished>): Publication => {
    if (jwks === undefined) return { published: 'unknown', publication: why }
    const found = check(jwks)
    return isTrouble(found) ? { published: 'no', publication: found.text } : { published: 'yes' }
  }
}

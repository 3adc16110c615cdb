import { stat } from 'node:fs/promises'
import type { DocumentAnswer } from '../egress/fetch-document.ts'
import { codeOf, messageOf } from '../errors.ts'
import { tokenAlgorithms } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import { discoveryUri, jwksUriIn } from '../token/discovery-uri.ts'
import type { SigningKey } from '../token/signing-key.ts'
import { SigningKeys } from '../token/signing-keys.ts'
import { contentOf } from './issuer-document.ts'
import { judgeClock, judgeDiscovery, judgeLogoutSupport } from './issuer-judgements.ts'
import { ok, problem } from './judgement.ts'
import { checkKeyPermissions, checkKeysLeftOut } from './key-file.ts'
import { judgePublished, publishedKeys } from './key-published.ts'
import { type Observation, Observations } from './observation.ts'
import { shownUri } from './shown-uri.ts'
import { goodPermissions, idleKey, judgeSigning } from './signing-judgements.ts'

export interface IssuerExamination {
  /** These two are undefined where the configuration has them wrong. */
  readonly issuer: string | undefined
  readonly signingKeysFile: string | undefined
  readonly clock: Clock
  readonly fetchDocument: (uri: string) => Promise<DocumentAnswer>
}

type Jwk = Readonly<Record<string, unknown>>

/** Looks at the keys of an issuer, and at what it publishes itself. Never throws. */
export async function examineIssuer(examination: IssuerExamination): Promise<readonly Observation[]> {
  const { issuer, signingKeysFile, clock } = examination
  const notes = new Observations('issuer')
  const keys = signingKeysFile === undefined ? [] : await examineKeyFile(signingKeysFile, clock, notes)
  const published = issuer === undefined ? undefined : await examinePublished(issuer, examination, notes)
  const now = clock.now()
  for (const key of keys) {
    if (!key.signs && key.key.notBeforeMs <= now)
      notes.note('key-published', idleKey(key.key.kid), key.key.kid)
    else if (published !== undefined) {
      notes.note('key-published', judgePublished(key.key, published, now), key.key.kid)
    }
  }
  if (keys.length === 0) {
    const checks = [
      'keys-file',
      'keys-left-out',
      'keys-permissions',
      'keys-signing',
      'key-published',
    ] as const
    notes.noteUnknown('the keys could not be read', checks)
  }
  notes.noteUnknown(
    issuer === undefined ? 'ISSUER is not valid' : `what ${shownUri(issuer)} publishes could not be read`,
  )
  return notes.all
}

async function examineKeyFile(
  file: string,
  clock: Clock,
  notes: Observations,
): Promise<readonly { key: SigningKey; signs: boolean }[]> {
  const keys = new SigningKeys(file, clock)
  try {
    const { mode } = await stat(file)
    const found = checkKeyPermissions({ mode })
    for (const finding of found) notes.noteFinding(finding)
    if (found.length === 0) notes.note('keys-permissions', goodPermissions(mode))
    await keys.load()
  } catch (error) {
    // The path is the operator's; what was in the file is never quoted.
    const found =
      codeOf(error) === 'LR_KEYS_INVALID' ? messageOf(error) : `the signing key file: ${messageOf(error)}`
    notes.note(
      'keys-file',
      problem(found, 'let SIGNING_KEYS_FILE name a JWK set or PEM that the relay may read'),
    )
    return []
  }
  for (const finding of checkKeysLeftOut(keys.facts)) notes.noteFinding(finding)
  if (keys.facts.leftOut.length === 0) notes.note('keys-left-out', ok('every key of the file can sign'))
  notes.note('keys-file', ok(`${keys.all.length} key(s): ${keys.all.map(({ kid }) => kid).join(', ')}`))
  const signing = new Map(
    tokenAlgorithms.flatMap((alg) => {
      const key = signingKey(keys, alg)
      return key === undefined ? [] : [[alg, key] as const]
    }),
  )
  notes.note('keys-signing', judgeSigning(keys.all, signing, clock.now()))
  const inUse = new Set(signing.values())
  return keys.all.map((key) => ({ key, signs: inUse.has(key) }))
}

function signingKey(keys: SigningKeys, alg: (typeof tokenAlgorithms)[number]): SigningKey | undefined {
  try {
    return keys.keyFor(alg)
  } catch {
    return undefined
  }
}

/** The keys of the issuer's JWK set, or undefined when it could not be read, which is noted. */
async function examinePublished(
  issuer: string,
  { fetchDocument }: IssuerExamination,
  notes: Observations,
): Promise<readonly Jwk[] | undefined> {
  const uri = discoveryUri(issuer)
  const answer = await fetchDocument(uri)
  notes.note('issuer-clock', judgeClock(answer))
  const document = contentOf(uri, answer)
  if (document.kind === 'unusable') {
    notes.note('issuer-discovery', document.judgement)
    return undefined
  }
  notes.note('issuer-discovery', judgeDiscovery(issuer, document.content))
  notes.note('issuer-logout-support', judgeLogoutSupport(document.content))
  const jwksUri = jwksUriIn(document.content)
  if (jwksUri === undefined) {
    notes.note('issuer-jwks', problem('the metadata name no jwks_uri', 'see to the metadata of the provider'))
    return undefined
  }
  const set = contentOf(jwksUri, await fetchDocument(jwksUri))
  const keys = set.kind === 'read' ? publishedKeys(set.content) : set
  if (keys.kind === 'unusable') {
    notes.note('issuer-jwks', keys.judgement)
    return undefined
  }
  notes.note('issuer-jwks', ok(`${shownUri(jwksUri)} publishes ${keys.jwks.length} key(s)`))
  return keys.jwks
}

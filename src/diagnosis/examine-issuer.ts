import { stat } from 'node:fs/promises'
import type { DocumentAnswer } from '../egress/fetch-document.ts'
import type { TokenAlgorithm } from '../events/registration.ts'
import { keyStandings } from '../issuers/signing/key-choice.ts'
import type { KeyBounds } from '../issuers/signing/key-source.ts'
import type { SigningKey } from '../issuers/signing/signing-key.ts'
import { SigningKeys } from '../issuers/signing/signing-keys.ts'
import type { Clock } from '../lib/clock.ts'
import { counted } from '../lib/counted.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { Examination, type ExaminedFinding } from './examination.ts'
import { error, ok } from './finding.ts'
import { checkClock, checkIssuerNamed, checkLogoutSupport } from './issuer.ts'
import { readIssuerDocuments } from './issuer-documents.ts'
import { checkPublished, type Jwk, keyPlaceOf } from './key-published.ts'
import { standingReason } from './key-standing.ts'
import { checkKeyPermissions, checkKeysEnding, checkKeysLeftOut, checkSigning, idleKey } from './keys.ts'
import { shownUri } from './shown-uri.ts'

export interface IssuerExamination {
  /** These two are undefined where the configuration has them wrong. */
  readonly issuer: string | undefined
  readonly signingKeysFile: string | undefined
  /** Where the path of the file may lead, and the algorithm that its keys must sign, where its configuration says so. */
  readonly keysBounds?: KeyBounds
  /** Where the issuers file names the key file. */
  readonly place?: string | undefined
  readonly alg?: TokenAlgorithm | undefined
  /** Whether its documents are read; by default they are. */
  readonly isAsked?: boolean
  readonly clock: Clock
  readonly fetchDocument: (uri: string) => Promise<DocumentAnswer>
}

/** Looks at the keys of an issuer, and at what it publishes itself. Never throws. */
export async function examineIssuer(examination: IssuerExamination): Promise<readonly ExaminedFinding[]> {
  const { issuer, isAsked = true, signingKeysFile, clock } = examination
  const notes = new Examination('issuer')
  if (issuer !== undefined) notes.note('issuers-file', ok('ISSUER names the only issuer'))
  const keys = signingKeysFile === undefined ? [] : await examineKeyFile(signingKeysFile, examination, notes)
  const published =
    issuer === undefined || !isAsked ? undefined : await examinePublished(issuer, examination, notes)
  const now = clock.now()
  for (const standing of keyStandings(keys, now)) {
    const { key, signs } = standing
    if (signs === 'never')
      notes.note('key-published', idleKey(key.kid, standingReason(standing, now) ?? 'no time of it is left'))
    else if (published !== undefined)
      notes.note(
        'key-published',
        checkPublished(key, published, now, keyPlaceOf(issuer, examination.place), standing.fromMs),
        key.kid,
      )
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
  const unread = `the documents of ${issuer === undefined ? '' : shownUri(issuer)} ${isAsked ? 'could not be read' : 'were not asked for'}`
  notes.noteUnknown(issuer === undefined ? 'ISSUER is not valid' : unread)
  return notes.all
}

async function examineKeyFile(
  file: string,
  { alg, clock, keysBounds, place }: IssuerExamination,
  notes: Examination,
): Promise<readonly SigningKey[]> {
  const keys = new SigningKeys(file, clock, keysBounds)
  try {
    const { mode } = await stat(file)
    notes.note('keys-permissions', checkKeyPermissions({ mode }))
    await keys.load()
  } catch (reason) {
    // The path is the operator's; what was in the file is never quoted.
    const about = codeOf(reason) === 'LR_KEYS_INVALID' ? '' : 'the signing key file: '
    const isNamed = messageOf(reason).includes(file)
    const where = place === undefined ? '' : `${place}: ${isNamed ? '' : `${file}: `}`
    const remedy = `${place === undefined ? 'set SIGNING_KEYS_FILE to' : 'let it name'} a JWK set or PEM that the relay may read`
    notes.note('keys-file', error(where + about + messageOf(reason), remedy))
    return []
  }
  for (const found of checkKeysLeftOut(keys.facts)) notes.note('keys-left-out', found)
  notes.note(
    'keys-file',
    ok(`${counted(keys.all.length, 'key')}: ${keys.all.map(({ kid }) => kid).join(', ')}`),
  )
  if (alg !== undefined && !keys.all.some(({ algorithms }) => algorithms.includes(alg))) {
    const remedy = `add a key for ${alg}, or set another alg`
    notes.note('keys-file', error(`no key of the file signs ${alg}, the default of its clients`, remedy))
  }
  notes.note('keys-signing', checkSigning(keys.all, clock.now()))
  for (const found of checkKeysEnding(keys.facts, clock.now())) notes.note('keys-signing', found)
  return keys.all
}

/** The keys of the issuer's JWK set, or undefined when it could not be read, which is noted. */
export async function examinePublished(
  issuer: string,
  { fetchDocument, place }: Pick<IssuerExamination, 'fetchDocument' | 'place'>,
  notes: Examination,
): Promise<readonly Jwk[] | undefined> {
  const { answer, discovery, jwks, keySet, metadata } = await readIssuerDocuments(issuer, fetchDocument)
  notes.note('issuer-clock', checkClock(answer))
  notes.note('issuer-discovery', discovery)
  if (metadata !== undefined) {
    notes.note('issuer-known', checkIssuerNamed(issuer, metadata, place))
    notes.note('issuer-logout-support', checkLogoutSupport(metadata))
  }
  if (keySet !== undefined) notes.note('issuer-jwks', keySet)
  return jwks
}

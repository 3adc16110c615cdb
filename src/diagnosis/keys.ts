import { keyStandings } from '../issuers/signing/key-choice.ts'
import type { SigningKey } from '../issuers/signing/signing-key.ts'
import type { KeyFileFacts } from '../issuers/signing/signing-keys.ts'
import type { Check } from './check.ts'
import { error, type Found, hint, ok, warning } from './finding.ts'
import { signingText } from './key-standing.ts'

function checkKeyFile({ problem }: Pick<KeyFileFacts, 'problem'>): Found[] {
  if (problem === undefined) return []
  const text = `the relay keeps its previous signing keys, but its next start will fail: ${problem}`
  return [warning(text, 'put a JWK set or PEM with a key that can sign there')]
}

function checkKeysLost({ lost }: Pick<KeyFileFacts, 'lost'>): Found[] {
  return lost.map((algorithm) =>
    warning(
      `no key in the file signs ${algorithm} any more: logouts of RPs that require it fail as invalid`,
      `add a key for ${algorithm}; if no RP requires it, restart the relay`,
      algorithm,
    ),
  )
}

const DAY_MS = 86_400_000
/** Told again with less time left, because each text is news once. */
const ENDING = [
  { withinMs: 3_600_000, text: 'within an hour' },
  { withinMs: DAY_MS, text: 'within a day' },
  { withinMs: 7 * DAY_MS, text: 'within a week' },
] as const

/** Whether a key is about to end that no other key of the file replaces. */
export function checkKeysEnding({ endings }: Pick<KeyFileFacts, 'endings'>, nowMs: number): Found[] {
  return endings.flatMap(({ algorithm, kid, endsAtMs }) => {
    const at = new Date(endsAtMs).toISOString()
    if (endsAtMs <= nowMs)
      return warning(
        `no key of the file signs ${algorithm} since ${at}: the logouts of RPs that want it fail as invalid`,
        `add a key for ${algorithm}`,
        algorithm,
      )
    const near = ENDING.find(({ withinMs }) => endsAtMs - nowMs <= withinMs)
    if (near === undefined) return []
    const text = `${kid} ends ${near.text}, at ${at}, and no key of the file signs ${algorithm} after it`
    return warning(text, `add a key for ${algorithm} with a notBefore before that, and publish it`, algorithm)
  })
}

/** Each key by itself, so that a further one is news. */
export function checkKeysLeftOut({ leftOut }: Pick<KeyFileFacts, 'leftOut'>): Found[] {
  if (leftOut.length === 0) return [ok('every key in the file can sign')]
  return leftOut.map(({ name, reason, isMistake }) => {
    const text = `the relay does not use ${name} of the key file: ${reason}`
    return isMistake
      ? warning(text, 'correct this key, or remove it from the file', name)
      : hint(text, 'use a file with the signing keys alone; ignore this if the key has another use', name)
  })
}

/** What the permissions of the file allow to others than its owner. `mode` as in `stat`. */
export function checkKeyPermissions({ mode }: Pick<KeyFileFacts, 'mode'>): Found {
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  const remedy = 'run chmod 600; for a mounted Kubernetes secret, set its defaultMode to 0440'
  // Windows keeps permissions elsewhere, and shows every file as open to all.
  const isTold = process.platform !== 'win32'
  if (isTold && (mode & 0o022) !== 0) {
    return warning(`other users may write the key file (${shown}), so they can sign as the issuer`, remedy)
  }
  if (isTold && (mode & 0o004) !== 0) {
    return warning(`every user of this machine may read the key file (${shown})`, remedy)
  }
  return ok(`${shown}: only its owner${(mode & 0o040) === 0 ? '' : ' and group'} may read it`)
}

/** What a relay knows of its issuers. */
export interface IssuerFacts {
  /** Why the configuration cannot be used as it is now, so that the one before stays in force. */
  readonly problem: string | undefined
  readonly keyFiles: readonly (KeyFileFacts & { readonly issuer: string })[]
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

/** Where there are several the finding is about one of them. */
function ofEach(find: (file: KeyFileFacts, nowMs: number) => readonly Found[]) {
  return ({ keyFiles, nowMs }: IssuerFacts): readonly Found[] =>
    keyFiles.flatMap((file) =>
      find(file, nowMs).map((found) => {
        if (keyFiles.length === 1) return found
        return { ...found, about: found.about === undefined ? file.issuer : `${file.issuer} ${found.about}` }
      }),
    )
}

function checkIssuersFile({ problem }: IssuerFacts): Found[] {
  if (problem === undefined) return []
  const text = `the issuers of before stay in force, and the next start will fail: ${problem}`
  return [warning(text, 'correct ISSUERS_FILE, or the key file that is named')]
}

export const keyChecks: readonly Check<IssuerFacts>[] = [
  { name: 'issuers-file', runs: 'always', find: checkIssuersFile },
  { name: 'keys-file', runs: 'always', find: ofEach(checkKeyFile) },
  {
    name: 'keys-signing',
    runs: 'always',
    find: ofEach((file, nowMs) => [...checkKeysLost(file), ...checkKeysEnding(file, nowMs)]),
  },
  { name: 'keys-left-out', runs: 'always', find: ofEach(checkKeysLeftOut) },
  { name: 'keys-permissions', runs: 'always', find: ofEach((file) => [checkKeyPermissions(file)]) },
]

/** What tokens can be signed. RS256 is what a registration asks for that names no algorithm. */
export function checkSigning(keys: readonly SigningKey[], nowMs: number): Found {
  const standings = keyStandings(keys, nowMs)
  const now = standings.filter(({ signs }) => signs === 'now')
  if (now.length === 0) {
    const first = Math.min(...standings.map(({ fromMs = Number.POSITIVE_INFINITY }) => fromMs))
    const remedy = 'add a key that signs now, or remove notBefore from one'
    if (first === Number.POSITIVE_INFINITY) return error('every key has ended, so no logout is sent', remedy)
    return error(
      `no key signs before ${new Date(first).toISOString()}, so no logout is sent until then`,
      remedy,
    )
  }
  const text = signingText(keys, nowMs)
  if (now.every(({ algorithms }) => !algorithms.includes('RS256'))) {
    return warning(
      `${text}; no key signs RS256, the default of registrations without alg: their logouts fail as invalid`,
      'add an RSA key, or set alg in every registration',
    )
  }
  return ok(text)
}

/** A key that neither signs nor will sign is one that was forgotten. `why`: what it is that signs instead. */
export function idleKey(kid: string, why: string): Found {
  return hint(
    `${kid} signs nothing: ${why}`,
    'remove it from the key file; keep it in the JWK set of the issuer until its last tokens have expired',
    kid,
  )
}

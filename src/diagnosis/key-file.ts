import type { KeyFileFacts } from '../token/signing-keys.ts'
import type { Finding } from './finding.ts'

/** What is to be said about the file of the signing keys. */
export function checkKeyFile(facts: KeyFileFacts): Finding[] {
  return [
    ...checkKeyFileProblem(facts),
    ...checkKeysLost(facts),
    ...checkKeysLeftOut(facts),
    ...checkKeyPermissions(facts),
  ]
}

function checkKeyFileProblem({ problem }: Pick<KeyFileFacts, 'problem'>): Finding[] {
  if (problem === undefined) return []
  return [
    {
      check: 'keys-file',
      severity: 'warning',
      message: `the signing keys of before stay in force, and the next start will fail: ${problem}`,
      mend: 'let SIGNING_KEYS_FILE name a JWK set or PEM with a key that can sign',
    },
  ]
}

function checkKeysLost({ lost }: Pick<KeyFileFacts, 'lost'>): Finding[] {
  return lost.map((algorithm) => ({
    check: 'keys-signing',
    about: algorithm,
    severity: 'warning',
    message: `no key of the file signs ${algorithm} any more: the logouts of RPs that want it fail as invalid`,
    mend: `add a key for ${algorithm}; where no RP wants it, start the relay again`,
  }))
}

/** Each key by itself, so that a further one is news. */
export function checkKeysLeftOut({ leftOut }: Pick<KeyFileFacts, 'leftOut'>): Finding[] {
  return leftOut.map(({ name, reason, isMistake }) => ({
    check: 'keys-left-out',
    about: name,
    severity: isMistake ? 'warning' : 'hint',
    message: `the relay does not sign with ${name} of the key file: ${reason}`,
    mend: isMistake
      ? 'correct this key, or take it out of the file'
      : 'nothing, where it is meant for something else; a file with the signing keys alone is safer',
  }))
}

/** What the permissions of the file allow to others than its owner. */
export function checkKeyPermissions({ mode }: Pick<KeyFileFacts, 'mode'>): Finding[] {
  const message = permissionProblem(mode)
  if (message === undefined) return []
  const mend = 'chmod 600; for a mounted Kubernetes secret, set its defaultMode to 0440'
  return [{ check: 'keys-permissions', severity: 'warning', message, mend }]
}

function permissionProblem(mode: number): string | undefined {
  // Windows keeps permissions elsewhere, and shows every file as open to all.
  if (process.platform === 'win32') return undefined
  const shown = permissionText(mode)
  if ((mode & 0o022) !== 0) {
    return `others than its owner may write the key file (${shown}): they can sign as the issuer`
  }
  if ((mode & 0o004) !== 0) return `everybody on this machine may read the key file (${shown})`
  return undefined
}

export function permissionText(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}

import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import type { Issuer } from './issuer.ts'
import { isPattern } from './issuer-settings.ts'
import { leadsOutside, OUTSIDE } from './signing/key-source.ts'
import type { KeyFileEvents } from './signing/signing-keys.ts'
import { hasTenantWithKeys } from './tenant-key-files.ts'

/** So many key files are read at the start, so that what is wrong with them is said there. Of more it is only seen where they are. */
export const READ_AT_START_MAX = 100

/** Names, of what is wrong with keys, where the configuration names them: line, issuer and file, or the option. */
export function placed(
  { id, settings: { keysFile, keysOption = id, place } }: Issuer,
  problem: string,
): string {
  if (place === undefined) return `${keysOption}: ${problem}`
  return [place, id, ...(problem.includes(keysFile) ? [] : [keysFile]), problem].join(': ')
}

/** Of several key files it is said which one cannot be used. */
export function eventsOf(issuer: Issuer, events: KeyFileEvents): KeyFileEvents {
  return {
    onReloaded: (kids) => events.onReloaded(kids),
    onReloadFailed: (error, failures) => {
      const told = new RelayFault('LR_KEYS_INVALID', placed(issuer, messageOf(error)), { cause: error })
      events.onReloadFailed(told, failures)
    },
  }
}

/** Of those that are enabled, a line for each whose keys could not sign. */
export async function keyProblems(issuers: readonly Issuer[]): Promise<readonly string[]> {
  const enabled = issuers.filter(({ isEnabled }) => isEnabled)
  const [patterns, listed] = [
    enabled.filter(({ settings }) => isPattern(settings)),
    enabled.filter(({ settings }) => !isPattern(settings)),
  ]
  const looks = [
    ...patterns.map(patternProblem),
    ...listed.map(listed.length > READ_AT_START_MAX ? placeProblem : keyProblem),
  ]
  return (await Promise.all(looks)).filter((it) => it !== undefined)
}

async function keyProblem(issuer: Issuer): Promise<string | undefined> {
  const { keys, settings } = issuer
  try {
    await keys.load()
  } catch (error) {
    if (codeOf(error) !== 'LR_KEYS_INVALID') throw error
    return placed(issuer, messageOf(error))
  }
  if (issuer.isSigning) return undefined
  return placed(issuer, `no key of the file signs ${settings.alg}, the default of its clients`)
}

async function placeProblem(issuer: Issuer): Promise<string | undefined> {
  const { keysFile, keysFolder } = issuer.settings
  if (keysFolder === undefined || !(await leadsOutside(keysFile, keysFolder))) return undefined
  return placed(issuer, `the signing keys cannot be read: ${OUTSIDE}`)
}

/** With no key file at all it is a path that was written wrong, or a volume that is not there. */
async function patternProblem(issuer: Issuer): Promise<string | undefined> {
  const { settings } = issuer
  if (await hasTenantWithKeys(settings)) return undefined
  return placed(
    issuer,
    `no tenant has keys at ${settings.keysFile}; correct the path, or put the keys of the first tenant there`,
  )
}

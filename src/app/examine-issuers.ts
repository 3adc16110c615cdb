import { readIssuersFile } from '../config/issuers-file.ts'
import { Examination, type ExaminedFinding } from '../diagnosis/examination.ts'
import { examineIssuer, type IssuerExamination } from '../diagnosis/examine-issuer.ts'
import { error, hint, ok } from '../diagnosis/finding.ts'
import { foldIssuers, type OfIssuer } from '../diagnosis/fold-issuers.ts'
import { fetchDocument } from '../egress/fetch-document.ts'
import { type IssuerSettings, isPattern, tenantSettings } from '../issuers/issuer-settings.ts'
import { KeyFileOwners } from '../issuers/key-file-owners.ts'
import { tenantsWithKeys } from '../issuers/tenant-key-files.ts'
import { systemClock } from '../lib/clock.ts'
import { counted } from '../lib/counted.ts'
import { codeOf, messageOf } from '../lib/errors.ts'

const DOCUMENT_LIMITS = { timeoutMs: 10_000, bytesMax: 1_024 * 1_024 }
/** For the documents of issuers, which are requests to somebody else; then for what is left of their key files. */
const DOCUMENTS_MS_MAX = 30_000
const KEY_FILES_MS_MAX = 15_000
const AT_ONCE = 20
const TENANTS_MAX = 20_000
const NAMED_MAX = 10

const parts = {
  clock: systemClock,
  fetchDocument: (uri: string) => fetchDocument(uri, DOCUMENT_LIMITS),
}

/** The only issuer, as two options name it. */
export function examineOnlyIssuer(
  issuer: string | undefined,
  signingKeysFile: string | undefined,
): Promise<readonly ExaminedFinding[]> {
  return examineIssuer({ ...parts, issuer, signingKeysFile })
}

/** The issuers of a file: their key files, and what they publish themselves, as many as that is done soon. */
export async function examineIssuersFile(file: string): Promise<readonly ExaminedFinding[]> {
  const notes = new Examination('issuer')
  try {
    const { settings } = await readIssuersFile(file)
    const { chosen, without } = await examinedIssuers(settings)
    const { examined, unasked, unread } = await examineEach(settings, chosen)
    notes.note(
      'issuers-file',
      ok(
        `${counted(settings.length, 'issuer')}, patterns included, with ${counted(chosen.length, 'key file')} to examine`,
      ),
    )
    const disabled = settings.filter((it) => !it.isEnabled).map(({ issuer }) => issuer)
    for (const [names, why] of [
      [unasked, `the documents were not asked for, since those of others took ${DOCUMENTS_MS_MAX / 1_000} s`],
      [unread, 'nothing was examined: there was no time left'],
      [without, 'no tenant of the pattern has a key file, so nothing was examined'],
      [disabled, 'nothing was examined, since it is not enabled'],
    ] as const)
      if (names.length > 0)
        notes.note('issuers-file', hint(`of ${listed(names)} ${why}`, REMEDY), `${names.length} not examined`)
    return [...notes.all, ...foldIssuers(examined)]
  } catch (reason) {
    if (codeOf(reason) !== 'LR_ISSUERS_INVALID') throw reason
    notes.note(
      'issuers-file',
      error(messageOf(reason), 'correct ISSUERS_FILE: a relay would not start with it'),
    )
    notes.noteUnknown('ISSUERS_FILE is not valid')
    return notes.all
  }
}

const REMEDY =
  'ignore this if they are known to be well; else look at them with an ISSUERS_FILE of these alone'

/** Those with a line of their own first, then tenants that have a key file. */
async function examinedIssuers(settings: readonly IssuerSettings[]) {
  const enabled = settings.filter((it) => it.isEnabled)
  const listed = new Set(settings.map(({ issuer }) => issuer))
  const chosen = enabled.filter((it) => !isPattern(it))
  const without: string[] = []
  // The most specific first, which is the one that means a tenant of several.
  const patterns = enabled.filter(isPattern).sort((a, b) => b.issuer.length - a.issuer.length)
  for (const pattern of patterns) {
    const tenants = await tenantsWithKeys(pattern, TENANTS_MAX - chosen.length)
    if (tenants.length === 0) without.push(pattern.issuer)
    for (const tenant of tenants) {
      const issuer = pattern.issuer.replace('{tenant}', tenant)
      if (listed.has(issuer)) continue
      listed.add(issuer)
      chosen.push(tenantSettings(pattern, tenant, issuer))
    }
  }
  return { chosen, without }
}

/** Several at once, so that those that do not answer hold the others up for a while at most. */
async function examineEach(settings: readonly IssuerSettings[], chosen: readonly IssuerSettings[]) {
  const owners = new KeyFileOwners(() => systemClock.monotonic())
  owners.use(settings)
  const [examined, unasked, unread]: [OfIssuer[], string[], string[]] = [[], [], []]
  const startedAtMs = systemClock.monotonic()
  const waiting = chosen.values()
  const work = async (): Promise<void> => {
    for (const own of waiting) {
      const { alg, issuer, keysFile, place } = own
      const spentMs = systemClock.monotonic() - startedAtMs
      const isAsked = spentMs < DOCUMENTS_MS_MAX
      if (spentMs >= DOCUMENTS_MS_MAX + KEY_FILES_MS_MAX) {
        unread.push(issuer)
        continue
      }
      if (!isAsked) unasked.push(issuer)
      const examination: IssuerExamination = {
        ...{ ...parts, alg, isAsked, issuer, place, keysBounds: owners.bounds(own) },
        signingKeysFile: keysFile,
      }
      const found = await examineIssuer(examination)
      const findings = found.filter(({ check }) => check !== 'issuers-file')
      examined.push({ issuer, names: [keysFile, place ?? '', ...ownNames(issuer)], findings })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const order = new Map(chosen.map(({ issuer }, i) => [issuer, i]))
  const rank = ({ issuer }: OfIssuer) => order.get(issuer) ?? 0
  return { examined: examined.sort((a, b) => rank(a) - rank(b)), unasked, unread }
}

/** As its documents' addresses show them. */
function ownNames(issuer: string): readonly string[] {
  const { host, hostname, origin, pathname } = new URL(issuer)
  return [origin, host, hostname, ...(pathname.length > 1 ? [pathname] : [])]
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MAX
  return `${names.slice(0, NAMED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

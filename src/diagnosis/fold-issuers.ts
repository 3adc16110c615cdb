import { counted } from '../lib/counted.ts'
import type { CheckName } from './check-names.ts'
import type { ExaminedFinding } from './examination.ts'

/** What was found of one issuer. */
export interface OfIssuer {
  readonly issuer: string
  /** Names of its own, such as those of its files, by which its findings differ from those of others. */
  readonly names: readonly string[]
  readonly findings: readonly ExaminedFinding[]
}

/** A finding of one issuer, or one that several have alike. */
export interface FoldedFinding extends ExaminedFinding {
  /** Where there are several, all of them. */
  readonly issuers?: readonly string[]
}

interface Of {
  readonly issuer: string
  readonly finding: ExaminedFinding
}

const NAMED_MAX = 5
/** Of these a key is what a finding is about; of others it may be an algorithm, by which findings differ. */
const ABOUT_KEYS: ReadonlySet<CheckName> = new Set(['key-published', 'keys-left-out'])

/** Tells what several issuers have alike once, in the order in which it was found first. */
export function foldIssuers(examined: readonly OfIssuer[]): readonly FoldedFinding[] {
  const all = examined.flatMap(({ findings, issuer, names }) =>
    findings.map((finding) => ({ issuer, finding, likeness: likenessOf(finding, [issuer, ...names]) })),
  )
  return [...Map.groupBy(all, ({ likeness }) => likeness).values()].map(folded)
}

/** What is well is told of all together; of what is not, the words count that are no names. */
function likenessOf(
  { about, check, remedy = '', severity, text }: ExaminedFinding,
  names: readonly string[],
): string {
  if (severity === 'ok') return `${check} ok`
  const own = [...names, ...(about !== undefined && ABOUT_KEYS.has(check) ? [about] : [])]
    .filter((name) => name !== '')
    .sort((a, b) => b.length - a.length)
  const plain = own.reduce((words, name) => words.replaceAll(name, '…'), `${text}\n${remedy}`)
  return [check, severity, plain].join('\n')
}

function folded(alike: readonly Of[]): FoldedFinding {
  const [{ finding, issuer }] = alike as readonly [Of]
  const issuers = [...new Set(alike.map((it) => it.issuer))]
  if (issuers.length === 1 && alike.length === 1)
    return { ...finding, about: finding.about === undefined ? issuer : `${issuer} ${finding.about}` }
  const isSame = alike.every((it) => it.finding.text === finding.text)
  const more = issuers.length > NAMED_MAX ? ', …' : ''
  const whose = `for ${counted(issuers.length, 'issuer')}: ${issuers.slice(0, NAMED_MAX).join(', ')}${more}`
  const count = alike.length === issuers.length ? '' : `, ${alike.length} times`
  return {
    ...finding,
    about: issuers.length === 1 ? issuer : `${issuers.length} issuers`,
    text: `${finding.text} (${isSame ? '' : 'and the like, '}${whose}${count})`,
    issuers,
  }
}

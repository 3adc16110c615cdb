import type { MisspeltOption } from '../config/misspelt-options.ts'
import type { Check } from './check.ts'
import { error, type Found, hint, ok, warning } from './finding.ts'

interface SecurityRelease {
  readonly version: string
  readonly date: string
  /** The most severe, by what this relay uses: TLS, DNS, HTTP. */
  readonly advisories: string
}

/**
 * Of the lines that the relay runs on, newest first; from nodejs.org/en/blog/vulnerability when this version of the relay was
 * made. Later ones it cannot know, and asks nobody.
 */
const SECURITY_RELEASES: readonly SecurityRelease[] = [
  { version: '26.12.1', date: 'October 2026', advisories: 'CVE-2026-105482, CVE-2026-105483' },
  { version: '26.3.1', date: 'June 2026', advisories: 'CVE-2026-48618, CVE-2026-48934' },
  { version: '24.22.1', date: 'October 2026', advisories: 'CVE-2026-105482, CVE-2026-105483' },
  { version: '24.18.1', date: 'July 2026', advisories: 'CVE-2026-56846, CVE-2026-58043' },
  { version: '24.17.0', date: 'June 2026', advisories: 'CVE-2026-48618, CVE-2026-48934' },
  { version: '24.14.1', date: 'March 2026', advisories: 'CVE-2026-21637, CVE-2026-21710' },
  { version: '24.13.0', date: 'January 2026', advisories: 'CVE-2025-59465, CVE-2026-21637' },
]

/** `version` as in `process.versions.node`. */
export function checkNodeVersion(version: string): Found {
  const [major] = partsOf(version)
  const missed = SECURITY_RELEASES.filter(
    (it) => partsOf(it.version)[0] === major && isBefore(version, it.version),
  )
  const [newest] = missed
  if (newest === undefined) return ok(`Node.js ${version}`)
  const releases = missed.map((it) => `${it.version} of ${it.date} (${it.advisories})`)
  return hint(
    `Node.js ${version} lacks the fixes of its security releases: ${releases.join('; ')}`,
    `use Node.js ${newest.version} or the newest ${major}.x, or an image with it`,
  )
}

function isBefore(a: string, b: string): boolean {
  const [ours, theirs] = [partsOf(a), partsOf(b)]
  const at = ours.findIndex((part, i) => part !== theirs[i])
  return at !== -1 && (ours[at] as number) < (theirs[at] as number)
}

/** Major, minor and patch; what stands behind them, as in a nightly build, says nothing. */
function partsOf(version: string): number[] {
  return version.split('-', 1).flatMap((it) => it.split('.').slice(0, 3).map(Number))
}

/** `problems`: a line each, which begins with the name of the option. */
function checkOptions(problems: readonly string[]): Found[] {
  if (problems.length === 0) return [ok('every option is valid')]
  return problems.map((line) => {
    const name = line.split(':', 1)[0] as string
    return error(line, `set ${name} in the environment; docs/configure.md lists its values`, name)
  })
}

/** A value is never shown: it may be a secret. */
export function checkMisspelt(misspelt: readonly MisspeltOption[]): Found[] {
  if (misspelt.length === 0) return [ok('no variable looks like a misspelt option')]
  return misspelt.map(({ name, meant }) =>
    warning(
      `${name} is set, but it is not an option of the relay and has no effect`,
      meant === undefined
        ? 'remove it, or set the right option; logout-relay serve --help lists them all'
        : `set ${meant} instead, or remove ${name}`,
      name,
    ),
  )
}

/** What is known of the process before anything is connected to. */
export interface ProcessFacts {
  readonly misspelt: readonly MisspeltOption[]
  /** As in `process.versions.node`. */
  readonly nodeVersion: string
  /** Why `MAPPING_FILE` cannot be used as it is now. */
  readonly mappingProblem?: string | undefined
  /** Why `INTAKE_FILE` cannot be used as it is now. */
  readonly intakeProblem?: string | undefined
  /** `undefined` where the option is wrong. */
  readonly mode: 'live' | 'shadow' | undefined
}

function checkMappingFile(problem: string | undefined): Found[] {
  if (problem === undefined) return [ok('every rule for records of other formats is valid, if there are any')]
  const text = `the rules of before stay in force, and the next start will fail: ${problem}`
  return [warning(text, 'correct MAPPING_FILE')]
}

function checkIntakeFile(problem: string | undefined): Found[] {
  if (problem === undefined) return [ok('every source of webhooks is valid, if there are any')]
  const text = `the sources of before stay in force, and the next start will fail: ${problem}`
  return [warning(text, 'correct INTAKE_FILE, or the file that it names')]
}

export const processChecks: readonly Check<ProcessFacts>[] = [
  { name: 'mapping-file', runs: 'always', find: ({ mappingProblem }) => checkMappingFile(mappingProblem) },
  { name: 'intake-file', runs: 'always', find: ({ intakeProblem }) => checkIntakeFile(intakeProblem) },
  { name: 'mode', runs: 'always', find: ({ mode }) => checkMode(mode) },
  { name: 'option-misspelt', runs: 'always', find: ({ misspelt }) => checkMisspelt(misspelt) },
  { name: 'node-version', runs: 'always', find: ({ nodeVersion }) => [checkNodeVersion(nodeVersion)] },
]

/** Everything else looks as in live mode, so it is said. */
function checkMode(mode: ProcessFacts['mode']): Found[] {
  if (mode === undefined) return []
  if (mode === 'live') return [ok('live mode: logouts are sent')]
  return [
    hint(
      'shadow mode: no logout is sent; what would have been is on KAFKA_SHADOW_TOPIC',
      'set MODE=live when the relay is to take over; docs/roll-out.md has the steps',
    ),
  ]
}

/** With a wrong option a relay does not start, so it has nothing to check. */
export const optionChecks: readonly Check<readonly string[]>[] = [
  { name: 'configuration', runs: 'doctor', find: checkOptions },
]

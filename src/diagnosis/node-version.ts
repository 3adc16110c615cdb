import type { Finding } from './finding.ts'

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
export function checkNodeVersion(version: string): Finding[] {
  const [major] = partsOf(version)
  const missed = SECURITY_RELEASES.filter(
    (it) => partsOf(it.version)[0] === major && isBefore(version, it.version),
  )
  const [newest] = missed
  if (newest === undefined) return []
  const releases = missed.map((it) => `${it.version} of ${it.date} (${it.advisories})`)
  return [
    {
      check: 'node-version',
      severity: 'hint',
      message: `Node.js ${version} lacks what its security releases mend: ${releases.join('; ')}`,
      mend: `run on Node.js ${newest.version} or the newest ${major}.x, and take an image that holds it`,
    },
  ]
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

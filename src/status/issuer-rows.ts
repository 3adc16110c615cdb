import type { RelyingPartyRow } from './relying-party-rows.ts'

/** What is owed to the RPs of one issuer, and how many of them take nothing. */
export interface IssuerRow {
  readonly issuer: string
  /** Whose breaker is not closed, without those that are paused or retired. */
  readonly silent: number
  /** In the backlog that all replicas share. */
  readonly parked: number
  /** Attempts under way, and deliveries that wait for theirs, at this replica. */
  readonly busy: number
  /** The earliest deadline seen among what is parked. Milliseconds since the epoch. */
  readonly deadlineMs?: number
}

const ISSUERS_MAX = 20

/** The issuers that these RPs belong to, those with the most RPs that take nothing first, then those that are owed the most. */
export function issuerRows(rows: Iterable<{ readonly issuer: string; readonly row: RelyingPartyRow }>): {
  readonly issuers: readonly IssuerRow[]
  readonly issuersTotal: number
} {
  const byIssuer = new Map<string, IssuerRow>()
  for (const { issuer, row } of rows) {
    const { silent = 0, parked = 0, busy = 0, deadlineMs: earliest } = byIssuer.get(issuer) ?? {}
    const deadlineMs = Math.min(
      earliest ?? Number.POSITIVE_INFINITY,
      row.deadlineMs ?? Number.POSITIVE_INFINITY,
    )
    byIssuer.set(issuer, {
      issuer,
      silent: silent + (row.breaker !== 'closed' && row.state === undefined ? 1 : 0),
      parked: parked + row.parked,
      busy: busy + row.inFlight + row.waiting,
      ...(deadlineMs < Number.POSITIVE_INFINITY && { deadlineMs }),
    })
  }
  const all = [...byIssuer.values()].sort(inOrder)
  return { issuers: all.slice(0, ISSUERS_MAX), issuersTotal: all.length }
}

function inOrder(a: IssuerRow, b: IssuerRow): number {
  return b.silent - a.silent || b.parked - a.parked || b.busy - a.busy || (a.issuer < b.issuer ? -1 : 1)
}

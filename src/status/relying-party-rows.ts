import { issuerOf, type RelyingParty, waitingAt } from '../delivery/relying-party.ts'
import type { BacklogSize } from './backlog-view.ts'
import type { AttemptProblem } from './recent-failures.ts'

export interface RelyingPartyRow {
  readonly clientId: string
  /** Where the relay serves several: two of them may have a client of that id. */
  readonly issuer?: string
  /** Attempts under way, and deliveries that wait for theirs, at this replica. */
  readonly inFlight: number
  readonly waiting: number
  /** In the backlog that all replicas share. */
  readonly parked: number
  /** When the first parked delivery is due. Milliseconds since the epoch. */
  readonly nextDueMs?: number
  /** As this replica sees it; `probing` is one attempt after a cool-down. */
  readonly breaker: 'closed' | 'open' | 'probing'
  /** The end of the cool-down. Milliseconds since the epoch. */
  readonly openUntilMs?: number
  readonly problem?: AttemptProblem
}

export interface RelyingPartyRows {
  readonly rows: readonly RelyingPartyRow[]
  /** With those that are left out. */
  readonly total: number
  /** RPs whose breaker is not closed. */
  readonly silent: number
}

const ROWS_MAX = 25

/**
 * The RPs at which something is going on: those with the largest backlogs first, then those that are not sent to,
 * then the busiest. `namesIssuers`: each with its issuer.
 */
export function relyingPartyRows(
  relyingParties: Iterable<RelyingParty>,
  sizes: readonly BacklogSize[],
  problemAt: (rpKey: string) => AttemptProblem | undefined,
  namesIssuers = false,
): RelyingPartyRows {
  const parked = new Map(sizes.filter(({ size }) => size > 0).map((it) => [it.rpKey, it]))
  const rows: { key: string; row: RelyingPartyRow }[] = []
  for (const rp of relyingParties) {
    const backlog = parked.get(rp.key)
    parked.delete(rp.key)
    if (backlog === undefined && rp.breaker.isClosed && rp.inFlight === 0 && waitingAt(rp) === 0) continue
    rows.push({ key: rp.key, row: rowOf(rp, backlog) })
  }
  // Parked by another replica, or before this one was started.
  for (const { rpKey, size, nextDueMs } of parked.values()) {
    const clientId = rpKey.slice(rpKey.indexOf('|') + 1)
    rows.push({
      key: rpKey,
      row: { clientId, inFlight: 0, waiting: 0, parked: size, nextDueMs, breaker: 'closed' },
    })
  }
  rows.sort((a, b) => inOrder(a.row, b.row))
  const shown = rows.slice(0, ROWS_MAX).map(({ key, row }) => {
    const problem = problemAt(key)
    return {
      ...row,
      ...(namesIssuers && { issuer: issuerOf(key) }),
      ...(problem !== undefined && { problem }),
    }
  })
  const silent = rows.filter(({ row }) => row.breaker !== 'closed').length
  return { rows: shown, total: rows.length, silent }
}

function rowOf(rp: RelyingParty, backlog: BacklogSize | undefined): RelyingPartyRow {
  const { breaker, clientId, inFlight } = rp
  const isProbing = !breaker.isClosed && rp.probe !== undefined
  return {
    clientId,
    inFlight,
    waiting: waitingAt(rp),
    parked: backlog?.size ?? 0,
    ...(backlog !== undefined && { nextDueMs: backlog.nextDueMs }),
    breaker: breaker.isClosed ? 'closed' : isProbing ? 'probing' : 'open',
    ...(!breaker.isClosed && !isProbing && { openUntilMs: breaker.openUntilMs }),
  }
}

function inOrder(a: RelyingPartyRow, b: RelyingPartyRow): number {
  const isIll = (row: RelyingPartyRow): number => (row.breaker === 'closed' ? 0 : 1)
  return (
    b.parked - a.parked ||
    isIll(b) - isIll(a) ||
    b.inFlight + b.waiting - a.inFlight - a.waiting ||
    (a.clientId < b.clientId ? -1 : 1)
  )
}

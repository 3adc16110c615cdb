import { issuerOf, type RelyingParty, waitingAt } from '../delivery/relying-party.ts'
import type { BacklogSize } from './backlog-view.ts'
import { remedyOfProblem, symptomOf } from './failure-remedies.ts'
import type { AttemptProblem } from './recent-failures.ts'

export interface RelyingPartyRow {
  /** Where there are several issuers. */
  readonly issuer?: string
  readonly clientId: string
  /** Missing for one that is active. */
  readonly state?: 'paused' | 'retired'
  /** Attempts under way, and deliveries that wait for theirs, at this replica. */
  readonly inFlight: number
  readonly waiting: number
  /** In the backlog that all replicas share. */
  readonly parked: number
  /** When the first parked delivery is due. Milliseconds since the epoch. */
  readonly nextDueMs?: number
  /** The earliest deadline seen among them: the delivery is given up then. Milliseconds since the epoch. */
  readonly deadlineMs?: number
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
  /** The first of those that take no logouts, the earliest deadline first; and how many there are. */
  readonly troubled: readonly TroubledRow[]
  readonly troubledTotal: number
  /** The one that gives up a delivery first, of those that have used more than half of its time. */
  readonly late?: RelyingPartyRow
}

export interface TroubledRow extends RelyingPartyRow {
  /** What it does, and what to do about it, in words. */
  readonly symptom: string
  readonly remedy: string
}

export interface RowSources {
  readonly problemAt: (rpKey: string) => AttemptProblem | undefined
  /** How long a delivery of that issuer may take. Milliseconds. */
  readonly timeMsOf: (issuer: string) => number
  readonly nowMs: number
  /** The issuer stands beside the client. */
  readonly showsIssuer: boolean
}

const ROWS_MAX = 25
const TROUBLED_MAX = 5

/**
 * The RPs at which something is going on: those with the largest backlogs first, then those that are not sent to,
 * then the busiest.
 */
export function relyingPartyRows(
  relyingParties: Iterable<RelyingParty>,
  sizes: readonly BacklogSize[],
  sources: RowSources,
): RelyingPartyRows {
  const { problemAt, nowMs, showsIssuer, timeMsOf } = sources
  const parked = new Map(sizes.filter(({ size }) => size > 0).map((it) => [it.rpKey, it]))
  const rows: Keyed[] = []
  for (const rp of relyingParties) {
    const backlog = parked.get(rp.key)
    parked.delete(rp.key)
    if (backlog === undefined && rp.breaker.isClosed && rp.inFlight === 0 && waitingAt(rp) === 0) continue
    rows.push({ key: rp.key, row: rowOf(rp, backlog) })
  }
  // Parked by another replica, or before this one was started.
  for (const backlog of parked.values()) {
    const { rpKey } = backlog
    const clientId = rpKey.slice(rpKey.indexOf('|') + 1)
    rows.push({
      key: rpKey,
      row: { clientId, inFlight: 0, waiting: 0, ...parkedIn(backlog), breaker: 'closed' },
    })
  }
  const full = ({ key, row }: Keyed): RelyingPartyRow => {
    const problem = problemAt(key)
    return {
      ...(showsIssuer && { issuer: issuerOf(key) }),
      ...row,
      ...(problem !== undefined && { problem }),
    }
  }
  const isTroubled = ({ key, row }: Keyed) =>
    row.state === undefined && (row.breaker !== 'closed' || (row.parked > 0 && problemAt(key) !== undefined))
  rows.sort((a, b) => inOrder(a.row, b.row))
  const troubled = rows.filter(isTroubled).sort((a, b) => deadlineOf(a) - deadlineOf(b))
  const [late] = rows
    .filter((it) => deadlineOf(it) - nowMs < timeMsOf(issuerOf(it.key)) / 2)
    .sort((a, b) => deadlineOf(a) - deadlineOf(b))
  return {
    rows: rows.slice(0, ROWS_MAX).map(full),
    total: rows.length,
    silent: rows.filter(({ row }) => row.breaker !== 'closed').length,
    troubled: troubled.slice(0, TROUBLED_MAX).map((it) => withRemedy(full(it))),
    troubledTotal: troubled.length,
    ...(late !== undefined && { late: full(late) }),
  }
}

interface Keyed {
  readonly key: string
  readonly row: RelyingPartyRow
}

function deadlineOf({ row }: Keyed): number {
  return row.deadlineMs ?? Number.POSITIVE_INFINITY
}

function withRemedy(row: RelyingPartyRow): TroubledRow {
  const error = row.problem?.error
  return { ...row, symptom: symptomOf(error), remedy: remedyOfProblem(error) }
}

function rowOf(rp: RelyingParty, backlog: BacklogSize | undefined): RelyingPartyRow {
  const { breaker, clientId, inFlight, state } = rp
  const isProbing = !breaker.isClosed && rp.probe !== undefined
  return {
    clientId,
    inFlight,
    waiting: waitingAt(rp),
    ...(state !== undefined && state.kind !== 'active' && { state: state.kind }),
    ...parkedIn(backlog),
    breaker: breaker.isClosed ? 'closed' : isProbing ? 'probing' : 'open',
    ...(!breaker.isClosed && !isProbing && { openUntilMs: breaker.openUntilMs }),
  }
}

function parkedIn(
  backlog: BacklogSize | undefined,
): Pick<RelyingPartyRow, 'parked' | 'nextDueMs' | 'deadlineMs'> {
  if (backlog === undefined) return { parked: 0 }
  const { deadlineMs, nextDueMs, size } = backlog
  return { parked: size, nextDueMs, ...(deadlineMs !== undefined && { deadlineMs }) }
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

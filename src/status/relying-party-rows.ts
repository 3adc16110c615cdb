import { issuerOf, type RelyingParty, waitingAt } from '../delivery/relying-party.ts'
import { type CurrentState, putOffDeadline } from '../registry/client-history.ts'
import type { BacklogSize } from './backlog-view.ts'
import { remedyOfProblem, symptomOf } from './failure-remedies.ts'
import { type IssuerRow, issuerRows } from './issuer-rows.ts'
import type { AttemptProblem } from './recent-failures.ts'
import { type IssuerObstacle, type Withheld, withheldOf } from './withheld.ts'

export interface RelyingPartyRow {
  /** Where there are several issuers, or the issuer is none of this relay. */
  readonly issuer?: string
  readonly clientId: string
  /** Missing for one that is active. */
  readonly state?: 'paused' | 'retired'
  /** Why nothing is sent from here, whatever is parked: it lies in its issuer. */
  readonly withheld?: IssuerObstacle
  /** Attempts under way, and deliveries that wait for theirs, at this replica. */
  readonly inFlight: number
  readonly waiting: number
  /** In the backlog that all replicas share. */
  readonly parked: number
  /** When the first parked delivery is due; missing while it is paused or withheld. Milliseconds since the epoch. */
  readonly nextDueMs?: number
  /**
   * The earliest deadline seen among them: the delivery is given up then. Missing while it is paused, for it stands still, and
   * while it is withheld, for this relay does not give it up. Milliseconds since the epoch.
   */
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
  /** Of all these RPs, the most troubled first, and how many there are. Missing where there is one issuer alone. */
  readonly issuers?: readonly IssuerRow[]
  readonly issuersTotal?: number
  /** RPs whose breaker is not closed, without those that are paused or retired. */
  readonly silent: number
  /** The first of those that take no logouts, the earliest deadline first; and how many there are. */
  readonly troubled: readonly TroubledRow[]
  readonly troubledTotal: number
  /** The one that gives up a delivery first, of those that have used more than half of its time. */
  readonly late?: RelyingPartyRow
  /** What is parked because its RP is paused: it waits for an operator, and is late for nobody. */
  readonly paused: {
    readonly parked: number
    /** The first of these RPs, and how many there are. */
    readonly rps: readonly Pick<RelyingPartyRow, 'issuer' | 'clientId'>[]
    readonly total: number
  }
  /** What is parked for issuers for which this relay sends nothing. */
  readonly withheld: Withheld
}

export interface TroubledRow extends RelyingPartyRow {
  /** What it does, and what to do about it, in words. */
  readonly symptom: string
  readonly remedy: string
}

export interface RowSources {
  readonly problemAt: (rpKey: string) => AttemptProblem | undefined
  /** Also of an RP that this replica has not seen. */
  readonly stateOf: (rpKey: string) => CurrentState | undefined
  /** How long a delivery of that issuer may take. Milliseconds. */
  readonly timeMsOf: (issuer: string) => number
  /** Why nothing is sent for that issuer from here; `undefined` where it is. */
  readonly obstacleOf: (issuer: string) => IssuerObstacle | undefined
  readonly nowMs: number
  /** The issuer stands beside the client. */
  readonly showsIssuer: boolean
}

const ROWS_MAX = 25
/** Where the page can be narrowed to one of several issuers. */
const ROWS_OF_ISSUERS_MAX = 100
const TROUBLED_MAX = 5
const PAUSED_MAX = 3
/** Longer than a replica holds what it attempts: only what was attempted in vain is due so late. */
const PUT_OFF_MS = 60_000

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
    const isQuiet = backlog === undefined && rp.inFlight === 0 && waitingAt(rp) === 0
    if (isQuiet && (rp.breaker.isClosed || sources.stateOf(rp.key)?.kind === 'retired')) continue
    rows.push({ key: rp.key, row: { ...rowOf(rp), ...parkedIn(rp.key, backlog, sources) } })
  }
  // Parked by another replica, or before this one was started.
  for (const backlog of parked.values()) {
    const { rpKey } = backlog
    const clientId = rpKey.slice(rpKey.indexOf('|') + 1)
    rows.push({
      key: rpKey,
      row: { clientId, inFlight: 0, waiting: 0, ...parkedIn(rpKey, backlog, sources), breaker: 'closed' },
    })
  }
  const full = ({ key, row }: Keyed): RelyingPartyRow => {
    const problem = problemAt(key)
    return {
      ...((showsIssuer || row.withheld !== undefined) && { issuer: issuerOf(key) }),
      ...row,
      ...(problem !== undefined && { problem }),
    }
  }
  // This replica may not have attempted it since it was started.
  const isPutOff = ({ nextDueMs = 0 }: RelyingPartyRow) => nextDueMs > nowMs + PUT_OFF_MS
  const isTroubled = ({ key, row }: Keyed) =>
    row.state === undefined &&
    row.withheld === undefined &&
    (row.breaker !== 'closed' || (row.parked > 0 && (problemAt(key) !== undefined || isPutOff(row))))
  rows.sort((a, b) => inOrder(a.row, b.row))
  const troubled = rows.filter(isTroubled).sort((a, b) => deadlineOf(a) - deadlineOf(b))
  const [late] = rows
    .filter((it) => deadlineOf(it) - nowMs < timeMsOf(issuerOf(it.key)) / 2)
    .sort((a, b) => deadlineOf(a) - deadlineOf(b))
  const paused = rows.filter(
    ({ row }) => row.state === 'paused' && row.withheld === undefined && row.parked > 0,
  )
  const withheld = rows.flatMap(({ key, row: { parked, withheld: why } }) =>
    why === undefined ? [] : { issuer: issuerOf(key), why, parked },
  )
  return {
    rows: rows.slice(0, showsIssuer ? ROWS_OF_ISSUERS_MAX : ROWS_MAX).map(full),
    total: rows.length,
    ...(showsIssuer && issuerRows(rows.map(({ key, row }) => ({ issuer: issuerOf(key), row })))),
    silent: rows.filter(({ row }) => row.breaker !== 'closed' && row.state === undefined).length,
    troubled: troubled.slice(0, TROUBLED_MAX).map((it) => withRemedy(full(it))),
    troubledTotal: troubled.length,
    ...(late !== undefined && { late: full(late) }),
    paused: {
      parked: paused.reduce((sum, { row }) => sum + row.parked, 0),
      rps: paused.slice(0, PAUSED_MAX).map(({ key, row: { clientId } }) => ({
        ...(showsIssuer && { issuer: issuerOf(key) }),
        clientId,
      })),
      total: paused.length,
    },
    withheld: withheldOf(withheld),
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

function rowOf(rp: RelyingParty): Omit<RelyingPartyRow, 'parked'> {
  const { breaker, clientId, inFlight } = rp
  const isProbing = !breaker.isClosed && rp.probe !== undefined
  return {
    clientId,
    inFlight,
    waiting: waitingAt(rp),
    breaker: breaker.isClosed ? 'closed' : isProbing ? 'probing' : 'open',
    ...(!breaker.isClosed && !isProbing && { openUntilMs: breaker.openUntilMs }),
  }
}

/** Its state as well, for that says what becomes of what is parked. */
function parkedIn(
  rpKey: string,
  backlog: BacklogSize | undefined,
  { obstacleOf, stateOf, timeMsOf }: RowSources,
): Pick<RelyingPartyRow, 'state' | 'withheld' | 'parked' | 'nextDueMs' | 'deadlineMs'> {
  const current = stateOf(rpKey)
  const state = current === undefined || current.kind === 'active' ? {} : { state: current.kind }
  if (backlog === undefined) return { ...state, parked: 0 }
  const { deadlineMs, nextDueMs, size } = backlog
  const withheld = obstacleOf(issuerOf(rpKey))
  if (withheld !== undefined) return { withheld, parked: size }
  if (current?.kind === 'paused') return { ...state, parked: size }
  const putOffMs = deadlineMs && putOffDeadline(current?.pauses ?? [], deadlineMs, timeMsOf(issuerOf(rpKey)))
  return { ...state, parked: size, nextDueMs, ...(putOffMs !== undefined && { deadlineMs: putOffMs }) }
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

import { issuerOf } from '../delivery/relying-party.ts'
import { isWanted, remedyOf } from './failure-remedies.ts'
import type { Failure } from './recent-failures.ts'

/** A recent failure as it is shown. */
export interface FailureRow extends Pick<Failure, 'kind' | 'what' | 'host' | 'why' | 'count' | 'atMs'> {
  /** Where there are several issuers. */
  readonly issuer?: string
  readonly remedy?: string
  /** What caused it is over: the RP has accepted a logout since, or the part works again. */
  readonly isOver: boolean
  /** An operator wanted it. */
  readonly isWanted: boolean
}

export interface FailureContext {
  readonly nowMs: number
  readonly showsIssuer: boolean
  /** What is wrong now: parts and steps that are not ready, checks with findings, and `checks-…` that cannot look. */
  readonly signs: ReadonlySet<string>
}

/** A fault that goes on is met again within so long. */
const REPEATED_MS = 10_000
/** What is over stays in sight for so long. */
const OVER_SHOWN_MS = 15 * 60_000
/** By the part that a fault is told of: what is among the signs as long as it goes on; else the part itself. */
const SIGNS: Readonly<Record<string, readonly string[]>> = {
  redis: ['redis', 'intake', 'parking', 'removal', 'backlog'],
  rebuild: ['registry'],
  'kafka-publish': ['outcomes', 'kafka'],
  'kafka-dead-letter': ['dead-letters', 'kafka'],
  'kafka-commit': ['commits', 'kafka'],
  'signing-keys': ['keys-file'],
  issuers: ['issuers-file', 'keys-file'],
}
/** Things that happened, and do not end. */
const EVENTS = new Set(['kafka-record-cut'])

/** Without those that have been over for a while. */
export function failureRows(failures: readonly Failure[], context: FailureContext): FailureRow[] {
  const { nowMs, showsIssuer } = context
  return failures.flatMap((failure) => {
    const { kind, what, host, why, count, atMs, reason, rpKey } = failure
    const isOver = isOverNow(failure, context)
    if (isOver && nowMs - (failure.overSinceMs ?? atMs) > OVER_SHOWN_MS) return []
    const remedy = reason === undefined ? undefined : remedyOf(reason)
    return {
      ...{ kind, what, why, count, atMs, isOver, isWanted: reason !== undefined && isWanted(reason) },
      ...(host !== undefined && { host }),
      ...(showsIssuer && rpKey !== undefined && { issuer: issuerOf(rpKey) }),
      ...(remedy !== undefined && { remedy }),
    }
  })
}

function isOverNow({ kind, what, atMs, overSinceMs }: Failure, { nowMs, signs }: FailureContext): boolean {
  if (kind === 'delivery') return overSinceMs !== undefined
  if (kind === 'dead-letter' || EVENTS.has(what) || nowMs - atMs < REPEATED_MS) return false
  const own = SIGNS[what] ?? (what.startsWith('kafka-') ? ['kafka'] : [what])
  return !own.some((sign) => signs.has(sign))
}

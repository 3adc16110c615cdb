import { type FailureReason, isOutcome, type Outcome, outcomeTypes, type Would } from './outcome.ts'
import { headerText, type WireRecord } from './wire-record.ts'

/** An outcome record for people. Fields that another version wrote differently are left out. */
export interface OutcomeDetails {
  readonly kind: Outcome['kind']
  readonly issuer: string
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly clientId?: string
  readonly userId?: string
  readonly sub?: string
  readonly attempts?: number
  readonly status?: number
  readonly reason?: FailureReason | (string & {})
  /** Of a shadowed one, as the next: why not `send`. */
  readonly would?: Would | (string & {})
  readonly error?: string
  readonly lastError?: string
  readonly origin?: string
  readonly triggerId?: string
}

/** `undefined` for any other record. */
export function readOutcomeDetails(record: WireRecord): OutcomeDetails | undefined {
  const { value } = record
  if (!isOutcome(record) || value === null) return undefined
  let data: Record<string, unknown>
  try {
    data = JSON.parse(value.toString('utf8')) as Record<string, unknown>
  } catch {
    return undefined
  }
  if (typeof data !== 'object' || data === null) return undefined
  const { issuer, sessionId, oidcSessionId } = data
  if (typeof issuer !== 'string' || typeof sessionId !== 'string') return undefined
  if (typeof oidcSessionId !== 'string') return undefined
  const type = headerText(record.headers, 'ce_type')
  return {
    kind: type === outcomeTypes.sent ? 'sent' : type === outcomeTypes.shadowed ? 'shadowed' : 'failed',
    issuer,
    sessionId,
    oidcSessionId,
    ...texts({
      clientId: data.clientId,
      userId: data.userId,
      sub: data.sub,
      reason: data.reason,
      lastError: data.lastError,
      would: data.would,
      error: data.error,
      origin: data.origin,
      triggerId: (data.trigger as { id?: unknown } | null | undefined)?.id,
    }),
    ...numbers({ attempts: data.attempts, status: data.status }),
  }
}

/** What would have become of a shadowed delivery, for people. */
export function shadowedText({ would, error }: Pick<OutcomeDetails, 'would' | 'error'>): string {
  if (would === 'send') return 'would have been sent'
  const why = error === undefined ? '' : ` (${error})`
  return would === 'unreachable' ? `would not have been reached${why}` : `would have been ${would}${why}`
}

function texts(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => typeof field[1] === 'string'),
  )
}

function numbers(fields: Readonly<Record<string, unknown>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, number] => typeof field[1] === 'number'),
  )
}

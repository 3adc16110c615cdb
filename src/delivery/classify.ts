import type { AttemptResult } from '../egress/sender.ts'

/**
 * What an attempt's result means for the delivery.
 * - `sent`: the RP accepted the logout (OIDC BCL 1.0 §2.8: 200, and 204 in its place).
 * - `doubtful`: RPs answer so while their key cache is cold, after a partial logout or in the middle of a deployment, and
 *   also when they mean it.
 * - `retry`: the fault may pass.
 * - `rejected`: the RP will not accept this logout.
 * - `blocked`: the egress guard refused the address.
 * - `local`: nothing was sent, for want of something on this side; it says nothing of the RP.
 */
export type Verdict = 'sent' | 'doubtful' | 'retry' | 'rejected' | 'blocked' | 'local'

/** No descriptor, memory, buffer or port for a connection; or, in the relay's own words, an attempt that was not begun. */
const LOCAL_CODES: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
  'LR_LOCAL',
])
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 425, 429])

export function classify(result: AttemptResult): Verdict {
  switch (result.kind) {
    case 'answered':
      return classifyStatus(result.status)
    case 'unreachable':
      return LOCAL_CODES.has(result.code) ? 'local' : 'retry'
    case 'blocked':
      return 'blocked'
    default:
      return result satisfies never
  }
}

export function classifyStatus(status: number): Verdict {
  if (status === 200 || status === 204) return 'sent'
  if (status === 400 || status === 404 || (status >= 300 && status < 400)) return 'doubtful'
  if (status >= 500 || RETRIED_STATUSES.has(status)) return 'retry'
  return 'rejected'
}

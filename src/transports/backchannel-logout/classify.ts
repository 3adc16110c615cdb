import type { AttemptResult } from '../../egress/sender.ts'
import type { Verdict } from '../transport.ts'

/** No descriptor, memory, buffer or port for a connection. `LR_LOCAL` is the relay's own: the attempt did not start. */
const LOCAL_CODES: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
  'LR_LOCAL',
])
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 425, 429])

/**
 * The verdict table of back-channel logout. OIDC BCL 1.0 §2.8 defines 200 for success; RPs also answer 204. RPs answer 400
 * and 404 also while their key cache is cold, after a partial logout or during a deployment.
 */
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

function classifyStatus(status: number): Verdict {
  if (status === 200 || status === 204) return 'sent'
  if (status === 400 || status === 404 || (status >= 300 && status < 400)) return 'doubtful'
  if (status >= 500 || RETRIED_STATUSES.has(status)) return 'retry'
  return 'rejected'
}

import type { AttemptResult } from '../../egress/sender.ts'
import type { Verdict } from '../transport.ts'

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

/**
 * The verdict table of back-channel logout. OIDC BCL 1.0 §2.8 has 200 for success, and RPs answer 204 in its place; they answer
 * 400 and 404 while their key cache is cold, after a partial logout or in the middle of a deployment too.
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

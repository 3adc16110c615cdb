import type { FailureReason } from '../events/outcome.ts'

const AGAIN = 'then logout-relay replay --failed --from 1d sends these logouts again'

/** What an operator does about deliveries that ended so. */
const remedies: Readonly<Record<FailureReason | 'retired', string>> = {
  rejected: `mostly the RP does not know the key or the issuer, or its URI is wrong: logout-relay doctor --rp <uri> --client <client> tells which; ${AGAIN}`,
  exhausted: `the RP was down for too long: have it mended; ${AGAIN}`,
  expired: `the RP was down for too long: have it mended; ${AGAIN}`,
  blocked: `if the address is right, add it to EGRESS_ALLOW, else correct the URI; ${AGAIN}`,
  invalid: `correct the registration (logout URI, alg), or add a key that signs its alg; ${AGAIN}`,
  discarded:
    'an operator did that; logout-relay replay --failed --discarded --from 1d sends them all the same',
  retired: 'none: an operator has retired the client',
}

/** What an operator wanted is no failure to call for attention. */
const WANTED: ReadonlySet<string> = new Set<FailureReason | 'retired'>(['discarded', 'retired'])

export function isWanted(reason: string): boolean {
  return WANTED.has(reason)
}

/** `undefined` for a reason that nobody knows. */
export function remedyOf(reason: string): string | undefined {
  return (remedies as Readonly<Record<string, string>>)[reason]
}

/** Answers that are no fault of the moment. */
const REFUSAL = /^HTTP (3|400|404)/

/** What an RP does instead of taking logouts; `error` as `AttemptProblem` has it. */
export function symptomOf(error: string | undefined): string {
  if (error === undefined) return 'takes no logouts'
  if (error === 'blocked') return 'is not sent to: the egress guard blocks its address'
  if (!error.startsWith('HTTP ')) return `does not answer: ${error}`
  return REFUSAL.test(error) ? `refuses logouts: ${error}` : `takes no logouts: ${error}`
}

/** What to do about an RP whose deliveries are parked after such an attempt. */
export function remedyOfProblem(error: string | undefined): string {
  if (error === 'blocked')
    return 'if the address is right, add it to EGRESS_ALLOW before the deadline, else correct the URI'
  if (REFUSAL.test(error ?? ''))
    return 'mostly it does not know the key or the issuer, or its URI is wrong: logout-relay doctor --rp <uri> --client <client> tells which'
  return 'tell its owner; its logouts are sent when it answers again before the deadline'
}

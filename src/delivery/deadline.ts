import { putOffDeadline } from '../registry/client-history.ts'
import type { Delivery } from './delivery.ts'
import type { DeliveryIssuers } from './delivery-issuers.ts'

/**
 * When it is too late for an attempt: pauses of the RP put it off. Infinite while it is paused. Milliseconds since the epoch.
 */
export function deadlineOf(
  { deadlineMs, rp }: Pick<Delivery, 'deadlineMs' | 'rp'>,
  issuers: DeliveryIssuers,
): number {
  if (rp.state === undefined) return deadlineMs
  return putOffDeadline(rp.state.pauses, deadlineMs, issuers.get(rp.issuer)?.deadlineMs ?? 0)
}

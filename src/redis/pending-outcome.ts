import { z } from 'zod'
import { failureReasons } from '../events/outcome.ts'
import type { PendingOutcome } from '../registry/registry.ts'

const count = z.int().nonnegative()

const outcome = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('sent'),
    jti: z.string(),
    attempts: count,
    status: count,
    origin: z.string().exactOptional(),
  }),
  z.object({
    kind: z.literal('failed'),
    reason: z.enum(failureReasons),
    attempts: count,
    jti: z.string().exactOptional(),
    lastStatus: count.exactOptional(),
    lastError: z.string().exactOptional(),
    origin: z.string().exactOptional(),
  }),
])

const pendingOutcome = z.object({
  outcome,
  origin: z.object({ id: z.string(), topic: z.string(), partition: z.int(), offset: z.int() }),
  occurredAtMs: z.number(),
  traceparent: z.string().exactOptional(),
  tracestate: z.string().exactOptional(),
})

/** The pending outcome in a registration's JSON. An unreadable one counts as none: telling an RP twice is better than never. */
export function readPendingOutcome(data: unknown): PendingOutcome | undefined {
  if (typeof data !== 'object' || data === null || !('pendingOutcome' in data)) return undefined
  return pendingOutcome.safeParse(data.pendingOutcome).data
}

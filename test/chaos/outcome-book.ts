import type { ChaosLog } from './chaos-log.ts'
import type { ChaosSession } from './workload.ts'

const FAILED = 'backchannel-logout-failed'
const OUTCOMES = new Set(['backchannel-logout-sent', FAILED])
const SAMPLE_MAX = 10

export interface OutcomeBook {
  /** Deliveries without an outcome. */
  readonly missing: number
  /** As `sessionId clientId`, up to ten. */
  readonly missingSample: readonly string[]
  /** Deliveries with more than one outcome id. */
  readonly ambiguous: number
  readonly ambiguousSample: readonly string[]
  /** Records whose id had been there before. */
  readonly repeated: number
  /** Of those that are owed. */
  readonly failed: number
  /** For one of the relying parties, but of nothing that is owed. */
  readonly unexpected: number
}

/** Reads every outcome on the topic and holds them against what is owed. */
export async function readOutcomeBook(
  log: ChaosLog,
  topic: string,
  sessions: readonly ChaosSession[],
): Promise<OutcomeBook> {
  const idsOf = new Map<string, Set<string>>()
  for (const { sessionId, relyingParties } of sessions) {
    for (const { clientId } of relyingParties) idsOf.set(`${sessionId} ${clientId}`, new Set())
  }
  const clientIds = new Set<unknown>(sessions.flatMap((it) => it.relyingParties.map((rp) => rp.clientId)))
  let repeated = 0
  let failed = 0
  let unexpected = 0
  await log.readAll(topic, ({ headers, value }) => {
    const type = String(headers.ce_type)
    if (!OUTCOMES.has(type)) return
    const { sessionId, clientId } = JSON.parse(String(value)) as Record<string, unknown>
    const ids = idsOf.get(`${sessionId} ${clientId}`)
    const id = String(headers.ce_id)
    if (ids === undefined) {
      if (clientIds.has(clientId)) unexpected++
      return
    }
    if (type === FAILED) failed++
    if (ids.has(id)) repeated++
    else ids.add(id)
  })
  const pairs = [...idsOf]
  const missing = pairs.filter(([, ids]) => ids.size === 0)
  const ambiguous = pairs.filter(([, ids]) => ids.size > 1)
  return {
    missing: missing.length,
    missingSample: missing.slice(0, SAMPLE_MAX).map(([pair]) => pair),
    ambiguous: ambiguous.length,
    ambiguousSample: ambiguous.slice(0, SAMPLE_MAX).map(([pair, ids]) => `${pair}: ${[...ids].join(', ')}`),
    repeated,
    failed,
    unexpected,
  }
}

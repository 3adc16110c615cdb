import { delay } from '../lib/deferred.ts'
import type { RelyingParties, RelyingParty } from './relying-party.ts'

/** What one relay has seen of one RP since it started. Times are milliseconds since the epoch. */
export interface ClientSummary {
  /** `<issuer>|<clientId>` */
  readonly rpKey: string
  readonly sent: number
  readonly failed: number
  readonly failedAtMs?: number
  /** Of the last attempt that failed, until one is accepted. */
  readonly lastError?: string
  /** While its breaker is open. */
  readonly openSinceMs?: number
}

/** Where the relays leave their summaries for `clients list`. */
export interface SummaryStore {
  /** Replaces that of this relay, which disappears when it is not written again. Throws when the store cannot be reached. */
  write(summary: readonly ClientSummary[], nowMs: number): Promise<void>
  /** Takes that of this relay away. Throws when the store cannot be reached. */
  remove(): Promise<void>
}

export interface RelaySummariesOptions {
  readonly clock: { now(): number }
  readonly relyingParties: Pick<RelyingParties, typeof Symbol.iterator>
  readonly store: SummaryStore
}

const EVERY_MS = 2_000
/** Even when nothing has changed, or it would disappear. */
const AGAIN_MS = 10_000
const RPS_MAX = 500

/** Those at which something happened; of too many first those that are not well. */
export function summaryOf(relyingParties: Iterable<RelyingParty>): ClientSummary[] {
  const seen = [...relyingParties].filter((it) => it.sent + it.failed > 0 || trouble(it) > 0)
  if (seen.length > RPS_MAX) seen.sort((a, b) => trouble(b) - trouble(a) || b.usedAt - a.usedAt)
  return seen.slice(0, RPS_MAX).map(({ breaker, failed, failedAtMs, key, lastError, sent }) => ({
    rpKey: key,
    sent,
    failed,
    ...(failedAtMs !== undefined && { failedAtMs }),
    ...(lastError !== undefined && { lastError }),
    ...(!breaker.isClosed && { openSinceMs: breaker.openSinceMs }),
  }))
}

function trouble({ breaker, failed, lastError }: RelyingParty): number {
  return (breaker.isClosed ? 0 : 4) + (failed > 0 ? 2 : 0) + (lastError === undefined ? 0 : 1)
}

/** Writes what this relay has seen, in the background, and only when there is news. */
export async function writeSummaries(
  { clock, relyingParties, store }: RelaySummariesOptions,
  signal: AbortSignal,
): Promise<void> {
  let written = ''
  let writtenAtMs = 0
  while (!signal.aborted) {
    const summary = summaryOf({ [Symbol.iterator]: () => relyingParties[Symbol.iterator]() })
    // Of an open breaker the time is worked out anew each time, and may differ by a millisecond.
    const content = JSON.stringify(summary.map(({ openSinceMs, ...it }) => [it, openSinceMs === undefined]))
    const nowMs = clock.now()
    if (content !== written || nowMs - writtenAtMs >= AGAIN_MS) {
      // A store that is away is told of elsewhere.
      await store.write(summary, nowMs).then(
        () => {
          written = content
          writtenAtMs = nowMs
        },
        () => undefined,
      )
    }
    await delay(EVERY_MS, signal)
  }
  // What a relay that is gone has seen must not be counted beside what its successor sees.
  await store.remove().catch(() => undefined)
}

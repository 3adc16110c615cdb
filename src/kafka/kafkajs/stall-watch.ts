import type { Consumer } from 'kafkajs'
import { RelayFault } from '../../lib/errors.ts'

const LOOK_MS = 500

/**
 * Detects a consumer that has stopped fetching, which happens in kafkajs without an error. A healthy one fetches several
 * times a second, even when every partition is paused, except during a rebalance.
 */
export function watchForStall(
  consumer: Consumer,
  stallMs: number,
  isCurrent: () => boolean,
  onStalled: (fault: RelayFault) => void,
): void {
  let askedAtMs = performance.now()
  const asked = (): void => {
    askedAtMs = performance.now()
  }
  consumer.on(consumer.events.FETCH_START, asked)
  consumer.on(consumer.events.GROUP_JOIN, asked)
  const timer = setInterval(() => {
    if (isCurrent() && performance.now() - askedAtMs <= stallMs) return
    clearInterval(timer)
    if (isCurrent())
      onStalled(new RelayFault('LR_UNAVAILABLE', `the consumer fetched nothing for ${stallMs} ms`))
  }, LOOK_MS)
  timer.unref()
}

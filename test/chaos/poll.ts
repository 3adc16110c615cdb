import { setTimeout as delay } from 'node:timers/promises'

/**
 * Looks again and again until the condition holds; resolves with whether it did before the time was over. A look
 * that fails counts as "not yet", because what is looked at has just been hurt.
 */
export async function holdsWithin(
  look: () => Promise<boolean> | boolean,
  timeoutMs: number,
  intervalMs = 100,
): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    try {
      if (await look()) return true
    } catch {
      // Not yet.
    }
    if (performance.now() > deadlineMs) return false
    await delay(intervalMs)
  }
}

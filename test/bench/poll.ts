import { setTimeout } from 'node:timers/promises'

/**
 * Looks again and again until the condition holds; resolves with its value. For what cannot tell by itself: a
 * broker's offsets, the state of a process. Throws after `timeoutMs`, naming what it waited for.
 */
export async function pollUntil<T>(
  look: () => T | Promise<T>,
  intervalMs: number,
  timeoutMs: number,
  awaited: string,
): Promise<Exclude<T, false | undefined>> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const value = await look()
    if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${awaited} in vain`)
    await setTimeout(intervalMs)
  }
}

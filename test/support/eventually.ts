import { vi } from 'vitest'
import { PATIENCE_MS } from './patience.ts'

/** Looks every `interval` ms (50) until `look` throws no more, and resolves with what it returns; throws what it threw last. */
export function eventually<T>(
  look: () => T | Promise<T>,
  options: { readonly interval?: number } = {},
): Promise<T> {
  return vi.waitFor(look, { timeout: PATIENCE_MS, ...options })
}

import { signingText } from '../diagnosis/key-standing.ts'
import type { Issuers } from '../issuers/issuers.ts'

/** A line each in the log of a start; of more issuers `keys list` and `doctor` tell. */
const LINES_MAX = 20

/** For the log: which key of each issuer signs, and why that one. */
export function* signingLines(issuers: Pick<Issuers, 'known'>, nowMs: number) {
  let left = LINES_MAX
  for (const { id, keys } of issuers.known()) {
    if (!keys.isLoaded) continue
    if (left-- === 0) return
    yield { issuer: id, signs: signingText(keys.all, nowMs) }
  }
}

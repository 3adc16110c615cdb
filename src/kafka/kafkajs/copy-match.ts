/** A longer copy is worth a call. */
const BYTES_BY_HAND = 16

/**
 * Copies `length` bytes from `distance` bytes before `at`, as LZ77 does: source and target may overlap. Both ends must lie
 * within `out`.
 */
export function copyMatch(out: Buffer, at: number, distance: number, length: number): void {
  const from = at - distance
  const end = at + length
  if (length <= BYTES_BY_HAND) {
    for (let to = at; to < end; to++) out[to] = out[to - distance] as number
    return
  }
  // Doubles the copied part each time.
  for (let to = at; to < end; ) {
    const part = Math.min(to - from, end - to)
    out.copyWithin(to, from, from + part)
    to += part
  }
}

/** More is not worth a call. */
const BYTES_BY_HAND = 16

/**
 * Repeats what stands `distance` bytes before `at`, as LZ77 does: the copy may run into its own beginning. Both ends must
 * lie within `out`.
 */
export function copyMatch(out: Buffer, at: number, distance: number, length: number): void {
  const from = at - distance
  const end = at + length
  if (length <= BYTES_BY_HAND) {
    for (let to = at; to < end; to++) out[to] = out[to - distance] as number
    return
  }
  // What is there already is doubled each time.
  for (let to = at; to < end; ) {
    const part = Math.min(to - from, end - to)
    out.copyWithin(to, from, from + part)
    to += part
  }
}

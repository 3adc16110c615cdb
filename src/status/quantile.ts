/** How many observations were at most so long. */
export interface CumulativeBucket {
  /** Infinity for the last. */
  readonly upperSeconds: number
  readonly count: number
}

/**
 * A quantile of a histogram in milliseconds, interpolated within its bucket as Prometheus does; `undefined` without
 * observations. Of what is beyond the last finite bound nothing more is known than that bound.
 */
export function quantileMs(buckets: readonly CumulativeBucket[], quantile: number): number | undefined {
  const rank = (buckets.at(-1)?.count ?? 0) * quantile
  if (rank === 0) return undefined
  let below: CumulativeBucket = { upperSeconds: 0, count: 0 }
  for (const bucket of buckets) {
    if (bucket.count < rank) {
      below = bucket
      continue
    }
    if (bucket.upperSeconds === Infinity) break
    const share = (rank - below.count) / (bucket.count - below.count)
    return 1_000 * (below.upperSeconds + share * (bucket.upperSeconds - below.upperSeconds))
  }
  return 1_000 * below.upperSeconds
}

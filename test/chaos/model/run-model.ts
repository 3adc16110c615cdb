import { Clusters } from '../clusters.ts'
import type { Category } from './categories.ts'
import { describeFailure, isWhole, summary } from './model-report.ts'
import { type BatchResult, runBatch } from './run-batch.ts'

export interface ModelOptions {
  readonly seed: number
  readonly histories: number
  readonly perBatch: number
  readonly without: readonly Category[]
  /** Batches at one time. */
  readonly parallel: number
  readonly say: (progress: string) => void
}

/** Batch after batch, each with the next seed, on one broker. */
export async function runModel(options: ModelOptions): Promise<readonly BatchResult[]> {
  const { histories, parallel, perBatch, say, seed, without } = options
  await using clusters = new Clusters()
  const cluster = await clusters.take(1)
  const results: BatchResult[] = []
  const batches = Math.ceil(histories / perBatch)
  let next = 0
  const work = async () => {
    while (next < batches) {
      const at = next++
      const of = Math.min(perBatch, histories - at * perBatch)
      const own = seed + at
      const result = await runBatch({
        cluster,
        without,
        seed: own,
        histories: of,
        say: (progress) => say(`seed ${own}: ${progress}`),
      })
      results.push(result)
      const { category, relays, seconds } = result
      say(
        isWhole(result)
          ? `seed ${own}: as promised (${category}, ${relays}, ${seconds.toFixed(1)} s)`
          : describeFailure(result),
      )
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  say(summary(results))
  return results
}

import type { RedisCommand } from './redis-connection.ts'

/** Larger ones are read in parts, so that Redis does something else in between. */
const AT_ONCE_MAX = 1_000
const COUNT = 500

/** What hashes hold, each as a flat list of fields and values, whatever their size. */
export async function wholeHashes(
  run: (commands: readonly RedisCommand[]) => Promise<unknown[]>,
  keys: readonly string[],
): Promise<string[][]> {
  const sizes = await run(keys.map((key) => ['HLEN', key]))
  const isLarge = (i: number) => Number(sizes[i]) > AT_ONCE_MAX
  const small = await run(keys.filter((_, i) => !isLarge(i)).map((key) => ['HGETALL', key]))
  const hashes: string[][] = []
  let at = 0
  for (const [i, key] of keys.entries())
    hashes.push(isLarge(i) ? await scanned(run, key) : (small[at++] as string[]))
  return hashes
}

async function scanned(
  run: (commands: readonly RedisCommand[]) => Promise<unknown[]>,
  key: string,
): Promise<string[]> {
  // A field may come twice.
  const fields = new Map<string, string>()
  let cursor = '0'
  do {
    const [reply] = await run([['HSCAN', key, cursor, 'COUNT', COUNT]])
    const [next, flat] = reply as [string, string[]]
    for (let i = 0; i < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string)
    cursor = next
  } while (cursor !== '0')
  return [...fields].flat()
}

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const SHIFT = 24

/**
 * The partition of a key, chosen as Kafka's own clients do: murmur2 of its bytes, made positive, modulo the number of
 * partitions. kafkajs computes the same with 64-bit objects, which were five percent of the relay's allocations.
 */
export function partitionOfKey(key: string | Buffer, partitions: number): number {
  return (murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff) % partitions
}

function murmur2(data: Buffer): number {
  const whole = data.length & ~3
  let hash = SEED ^ data.length
  for (let i = 0; i < whole; i += 4) {
    let word = Math.imul(data.readInt32LE(i), MULTIPLIER)
    word ^= word >>> SHIFT
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const rest = data.length - whole
  if (rest > 0) {
    for (let i = rest - 1; i >= 0; i--) hash ^= (data[whole + i] as number) << (8 * i)
    hash = Math.imul(hash, MULTIPLIER)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}

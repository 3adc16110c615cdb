/** Reversed form of the Castagnoli polynomial. */
const POLYNOMIAL = 0x82f63b78
const LANES = 8

/**
 * `TABLES[lane][byte]`: what a byte that is followed by `lane` more bytes adds. Signed, because a value above 2^31 is a
 * floating-point number to V8 until its last compiler has seen it, and a batch at a time it sees this rarely.
 */
const TABLES: readonly Int32Array[] = buildTables()

/**
 * CRC-32C (RFC 3720 §12.1) of a record batch, eight bytes at a time. kafkajs takes one byte at a time, which came to
 * three percent of the relay's work.
 */
export function crc32c(data: Buffer): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as unknown as readonly [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  const end = data.length
  const whole = end - (end % LANES)
  let crc = ~0
  let i = 0
  for (; i < whole; i += LANES) {
    const low = crc ^ wordAt(data, i)
    const high = wordAt(data, i + 4)
    crc =
      at(t7, low & 0xff) ^
      at(t6, (low >>> 8) & 0xff) ^
      at(t5, (low >>> 16) & 0xff) ^
      at(t4, low >>> 24) ^
      at(t3, high & 0xff) ^
      at(t2, (high >>> 8) & 0xff) ^
      at(t1, (high >>> 16) & 0xff) ^
      at(t0, high >>> 24)
  }
  for (; i < end; i++) crc = at(t0, (crc ^ (data[i] as number)) & 0xff) ^ (crc >>> 8)
  return ~crc >>> 0
}

function at(table: Int32Array, index: number): number {
  return table[index] as number
}

function wordAt(data: Buffer, start: number): number {
  return (
    (data[start] as number) |
    ((data[start + 1] as number) << 8) |
    ((data[start + 2] as number) << 16) |
    ((data[start + 3] as number) << 24)
  )
}

function buildTables(): Int32Array[] {
  const first = new Int32Array(256).map((_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    return crc
  })
  const tables = [first]
  for (let lane = 1; lane < LANES; lane++) {
    const previous = tables[lane - 1] as Int32Array
    tables.push(previous.map((crc) => at(first, crc & 0xff) ^ (crc >>> 8)))
  }
  return tables
}

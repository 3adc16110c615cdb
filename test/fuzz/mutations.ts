import fc from 'fast-check'

/** What parsers are known to stumble over, as bytes. */
const MORSELS = [
  ...[
    '',
    '\0',
    '\n',
    '\r\n',
    '\t',
    ' ',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '=',
    '%',
    '%0',
    '%zz',
    '-',
    '+',
  ],
  ...[
    'null',
    'true',
    '{}',
    '[]',
    '""',
    '0',
    '-1',
    '-0',
    '1e400',
    '1e-400',
    '9007199254740993',
    '0x7f',
    '٣',
    'NaN',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    '\u2028',
    '\u202e',
    '\ufeff',
    '\ufffd',
    '\u0000',
    '💥',
    '\ud800',
  ],
  ...[
    '0001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '2024-02-30',
    '::ffff:10.0.0.1',
    '127.1',
    'https://',
    '//',
    '@',
  ],
].map((text) => Buffer.from(text))
const BYTES_MORSELS = [
  Buffer.of(0xff),
  Buffer.of(0x80, 0x80, 0x80, 0x80, 0x80),
  Buffer.of(0xed, 0xa0, 0x80),
  Buffer.of(0xfe, 0xff),
]
/** Enough for what grows with the square of its input to be felt. */
const BYTES_MAX = 128 * 1_024

type Change = (bytes: Buffer) => Buffer

/** A place, as a share of the length: it stays sensible whatever was changed before. */
const share = fc.double({ min: 0, max: 1, noNaN: true })
const at = (bytes: Buffer, where: number) => Math.floor(where * bytes.length)
const joined = (...parts: readonly Uint8Array[]) => Buffer.concat(parts).subarray(0, BYTES_MAX)

function changes(samples: readonly Buffer[]): fc.Arbitrary<Change> {
  const morsel = fc.oneof(
    fc.constantFrom(...MORSELS, ...BYTES_MORSELS),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  )
  const range = fc.tuple(share, share).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
  const short = fc.tuple(share, fc.nat(12))
  return fc.oneof(
    fc.tuple(share, fc.nat(7)).map(
      ([where, bit]): Change =>
        (bytes) => {
          const copy = Buffer.from(bytes)
          const index = at(bytes, where)
          if (index < copy.length) copy[index] = (copy[index] as number) ^ (1 << bit)
          return copy
        },
    ),
    fc.tuple(short, morsel).map(
      ([[where, length], insert]): Change =>
        (bytes) => {
          const index = at(bytes, where)
          return joined(bytes.subarray(0, index), insert, bytes.subarray(index + length))
        },
    ),
    fc.tuple(share, morsel).map(
      ([where, insert]): Change =>
        (bytes) => {
          const index = at(bytes, where)
          return joined(bytes.subarray(0, index), insert, bytes.subarray(index))
        },
    ),
    range.map(
      ([from, to]): Change =>
        (bytes) =>
          joined(bytes.subarray(0, at(bytes, from)), bytes.subarray(at(bytes, to))),
    ),
    fc.tuple(short, fc.integer({ min: 2, max: 40_000 })).map(
      ([[where, length], times]): Change =>
        (bytes) => {
          const index = at(bytes, where)
          const piece = bytes.subarray(index, index + length)
          const count = Math.min(times, Math.floor(BYTES_MAX / Math.max(piece.length, 1)))
          return joined(
            bytes.subarray(0, index),
            ...Array.from({ length: count }, () => piece),
            bytes.subarray(index),
          )
        },
    ),
    fc.tuple(share, fc.constantFrom(...samples), share).map(
      ([where, other, there]): Change =>
        (bytes) => {
          return joined(bytes.subarray(0, at(bytes, where)), other.subarray(at(other, there)))
        },
    ),
    // A value of a JSON member, whatever it is.
    fc.tuple(share, morsel).map(
      ([where, insert]): Change =>
        (bytes) => {
          const colon = bytes.indexOf(':', at(bytes, where))
          const end = bytes.indexOf(',', colon)
          return colon === -1 || end === -1
            ? bytes
            : joined(bytes.subarray(0, colon + 1), insert, bytes.subarray(end))
        },
    ),
  )
}

/** Valid samples, changed in a few places; now and then one as it is, or bytes of no sense at all. */
export function mutated(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.array(changes(samples), { maxLength: 5 }))
    .map(([sample, list]) => list.reduce((bytes, change) => change(bytes), sample))
  const senseless = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes))
  return fc.oneof({ weight: 20, arbitrary: changed }, { weight: 1, arbitrary: senseless })
}

export const texts = (...samples: readonly string[]): Buffer[] => samples.map((text) => Buffer.from(text))

const COORDINATE_BYTES = 32

/**
 * Turns a DER `SEQUENCE { INTEGER r, INTEGER s }` into the 64 bytes that JWS wants (RFC 7518 §3.4). Asking
 * node:crypto for that form directly costs twice the signature itself; this costs a microsecond.
 */
export function joseSignatureOfDer(der: Buffer): Buffer {
  const out = Buffer.alloc(2 * COORDINATE_BYTES)
  // 0x30 length 0x02 length r 0x02 length s; a P-256 signature is short enough for one-byte lengths.
  const rLength = der[3] as number
  copyInteger(der, 4, rLength, out, 0)
  const sStart = 4 + rLength + 2
  copyInteger(der, sStart, der[sStart - 1] as number, out, COORDINATE_BYTES)
  return out
}

/** A DER integer is signed and minimal: it may have a leading zero, and may be shorter than the coordinate. */
function copyInteger(der: Buffer, start: number, length: number, out: Buffer, at: number): void {
  const surplus = Math.max(length - COORDINATE_BYTES, 0)
  const size = length - surplus
  der.copy(out, at + COORDINATE_BYTES - size, start + surplus, start + length)
}

import fc from 'fast-check'

const SURROGATES_FROM = 0xd800
const SURROGATES = 0x800

const codePoint = fc
  .oneof(fc.nat(0x7f), fc.nat(0x10ffff - SURROGATES))
  .map((index) => String.fromCodePoint(index < SURROGATES_FROM ? index : index + SURROGATES))

/**
 * Texts of any characters, with many from ASCII. As fast-check's own unit `binary`, which takes a second of CPU time to
 * list all of Unicode in every process that uses it.
 */
export function anyText(constraints: { readonly minLength?: number } = {}): fc.Arbitrary<string> {
  return fc.string({ ...constraints, unit: codePoint })
}

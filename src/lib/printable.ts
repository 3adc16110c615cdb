/**
 * What a terminal executes or displays elsewhere: control characters, line breaks of any script, and marks that change the
 * text direction.
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

/** The same in JSON, which already escapes characters below U+0020. A line break there separates the relay's own lines. */
const UNESCAPED = /[\u007F-\u009F\p{Zl}\p{Zp}\p{Bidi_Control}]/u
const ALL_UNESCAPED = new RegExp(UNESCAPED, 'gu')

/** Foreign text as one line that cannot move the cursor. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '\uFFFD')
}

/** Equivalent JSON lines that a terminal shows literally. */
export function printableJson(lines: string): string {
  if (!UNESCAPED.test(lines)) return lines
  return lines.replaceAll(ALL_UNESCAPED, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * What a terminal takes for an order, or shows somewhere else than where it stands: control characters, line breaks of any
 * script, and marks that turn the direction of what follows.
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

/** The same in JSON, where those below U+0020 are escaped already and a line break ends a line of the relay's own. */
const UNESCAPED = /[\u007F-\u009F\p{Zl}\p{Zp}\p{Bidi_Control}]/u
const ALL_UNESCAPED = new RegExp(UNESCAPED, 'gu')

/** Text of others as one line that moves no cursor. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '\uFFFD')
}

/** Lines of JSON that mean the same, and that a terminal shows as they stand there. */
export function printableJson(lines: string): string {
  if (!UNESCAPED.test(lines)) return lines
  return lines.replaceAll(ALL_UNESCAPED, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

import type { ExaminedFinding } from '../diagnosis/examination.ts'
import { wrapText } from '../lib/wrap-text.ts'
import type { Column } from './output.ts'

/** A line of the table: a finding has as many as its text needs. */
type Line = Readonly<Record<'severity' | 'check' | 'about' | 'text', string>>

export const columns: readonly Column<Line>[] = [
  { title: 'SEVERITY', cell: ({ severity }) => severity },
  { title: 'CHECK', cell: ({ check }) => check },
  { title: 'ABOUT', cell: ({ about }) => about },
  { title: 'FINDING AND REMEDY', cell: ({ text }) => text },
]

const TEXT_WIDTH_MIN = 40
const GAPS = 6

/** The findings as lines, with what to do below what was found. `width` is that of the terminal; Infinity to not wrap. */
export function linesOf(findings: readonly ExaminedFinding[], width: number): Line[] {
  const longest = (texts: readonly string[]) =>
    Math.max('SEVERITY'.length, ...texts.map(({ length }) => length))
  const left =
    longest(findings.map(({ severity }) => severity)) +
    longest(findings.map(({ check }) => check)) +
    longest(findings.map(({ about = '' }) => about))
  const textWidth = Math.max(TEXT_WIDTH_MIN, width - left - GAPS)
  return findings.flatMap(({ severity, check, about = '', text: found, remedy }) => {
    const texts = [...wrapText(found, textWidth)]
    if (remedy !== undefined) {
      texts.push(...wrapText(remedy, textWidth - 2).map((text, i) => `${i === 0 ? '→' : ' '} ${text}`))
    }
    return texts.map((text, i) =>
      i === 0 ? { severity, check, about, text } : { severity: '', check: '', about: '', text },
    )
  })
}

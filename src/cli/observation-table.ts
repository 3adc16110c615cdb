import type { Observation } from '../diagnosis/observation.ts'
import { wrapText } from '../lib/wrap-text.ts'
import type { Column } from './output.ts'

/** A line of the table: an observation has as many as its text needs. */
type Line = Readonly<Record<'status' | 'check' | 'about' | 'text', string>>

export const columns: readonly Column<Line>[] = [
  { title: 'STATUS', cell: ({ status }) => status },
  { title: 'CHECK', cell: ({ check }) => check },
  { title: 'OF', cell: ({ about }) => about },
  { title: 'FOUND, AND WHAT TO DO', cell: ({ text }) => text },
]

const TEXT_WIDTH_MIN = 40
const GAPS = 6

/** The observations as lines, with what to do below what was found. `width` is that of the terminal; Infinity to not wrap. */
export function linesOf(observations: readonly Observation[], width: number): Line[] {
  const longest = (texts: readonly string[]) => Math.max(6, ...texts.map(({ length }) => length))
  const left =
    longest(observations.map(({ status }) => status)) +
    longest(observations.map(({ check }) => check)) +
    longest(observations.map(({ about = '' }) => about))
  const textWidth = Math.max(TEXT_WIDTH_MIN, width - left - GAPS)
  return observations.flatMap(({ status, check, about = '', found, mend }) => {
    const texts = [...wrapText(found, textWidth)]
    if (mend !== undefined) {
      texts.push(...wrapText(mend, textWidth - 2).map((text, i) => `${i === 0 ? '→' : ' '} ${text}`))
    }
    return texts.map((text, i) =>
      i === 0 ? { status, check, about, text } : { status: '', check: '', about: '', text },
    )
  })
}

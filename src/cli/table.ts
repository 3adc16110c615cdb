import { printable } from '../lib/printable.ts'
import { wrapText } from '../lib/wrap-text.ts'

/** A text of several parts has each on a line of its own. */
export type Cell = string | number | undefined | readonly string[]

/** One line of a result: named fields, `undefined` where there is nothing to say. */
export type Row = Readonly<Record<string, unknown>>

export type Style = 'red' | 'yellow' | 'green' | 'cyan' | 'dim' | 'bold'

export interface Column<R extends Row> {
  readonly title: string
  readonly cell: (row: R) => Cell
  readonly alignment?: 'left' | 'right'
  /** On a terminal. */
  readonly style?: (row: R) => Style | undefined
  /** Sentences, and what tells more of a row: where a table is too wide they stand below it. */
  readonly isProse?: true
  /** Broken over lines when nothing else can be: a time. */
  readonly isWhole?: true
}

const GAP = '  '
const INDENT = '  '
/** From here on sentences stand in a column of their own. */
const WIDE_COLUMNS = 120
const PROSE_WIDTH_MIN = 40
const WIDTH_MIN = 8
/** What stands before what to do; its further lines are indented as deep. */
const ARROW = '→ '

/** A cell of a line before it is painted, and how. */
interface Piece {
  readonly text: string
  readonly style: Style | undefined
}

/** One row, or the titles, with each cell in its parts. */
interface Entry {
  readonly cells: readonly (readonly string[])[]
  readonly styles: readonly (Style | undefined)[]
}

/**
 * The lines of a table that fits into `width` characters, in which nothing is cut: what is too long is broken over lines.
 * `Infinity` breaks nothing. `paint`: given text in a style.
 */
export function tableLines<R extends Row>(
  columns: readonly Column<R>[],
  rows: readonly R[],
  width: number,
  paint: (style: Style, text: string) => string,
): string[] {
  const titles: Entry = { cells: columns.map(({ title }) => [title]), styles: columns.map(() => 'bold') }
  const entries = [titles, ...rows.map((row) => entryOf(columns, row))]
  const natural = columns.map((_, i) => Math.max(...entries.map(({ cells }) => longest(cells[i] ?? []))))
  const words = columns.map((_, i) => Math.max(...entries.map(({ cells }) => longestWord(cells[i] ?? []))))
  const all = columns.map((_, i) => i)
  const prose = all.filter((i) => columns[i]?.isProse === true)
  const others = all.filter((i) => columns[i]?.isProse !== true)
  const isFitting = totalOf(natural) <= width
  const left = width - totalOf(others.map((i) => natural[i] as number)) - prose.length * GAP.length
  const isWide = width >= WIDE_COLUMNS && left >= prose.length * PROSE_WIDTH_MIN
  const isBelow = !isFitting && !isWide && prose.length > 0
  const inRow = isBelow ? others : all
  const widths = isFitting ? natural : widthsFor(columns, { natural, words }, inRow, width, isWide)
  const paintedLine = (pieces: readonly Piece[]): string =>
    pieces
      .map(({ text, style }) => (style === undefined || text.trim() === '' ? text : paint(style, text)))
      .join(GAP)
  return entries.flatMap(({ cells, styles }) => {
    const wrapped = inRow.map((i) => wrapParts(cells[i] ?? [], widths[i] as number))
    const height = Math.max(1, ...wrapped.map(({ length }) => length))
    const lines = Array.from({ length: height }, (_, k) => {
      const lastText = wrapped.findLastIndex((it) => (it[k] ?? '') !== '')
      const pieces = inRow.slice(0, lastText + 1).map((i, at): Piece => {
        const text = wrapped[at]?.[k] ?? ''
        const isRight = columns[i]?.alignment === 'right'
        const padded = isRight ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)
        return { text: at === lastText ? padded.trimEnd() : padded, style: styles[i] }
      })
      return paintedLine(pieces)
    })
    const below = isBelow
      ? linesBelow(
          prose.map((i) => cells[i] ?? []),
          width - INDENT.length,
        )
      : []
    return [...lines, ...below.filter((text) => text !== '').map((text) => `${INDENT}${text}`)]
  })
}

function entryOf<R extends Row>(columns: readonly Column<R>[], row: R): Entry {
  return {
    cells: columns.map(({ cell }) => {
      const value = cell(row)
      return (Array.isArray(value) ? value : [value ?? '']).map((it) => printable(String(it)))
    }),
    styles: columns.map(({ style }) => style?.(row)),
  }
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map(({ length }) => length))
}

function totalOf(widths: readonly number[]): number {
  return widths.reduce((sum, it) => sum + it, 0) + Math.max(widths.length - 1, 0) * GAP.length
}

function longestWord(texts: readonly string[]): number {
  return longest(texts.flatMap((text) => text.split(' ')))
}

/**
 * What is widest gives way first: sentences where they have a column, then what may be broken, at first between its words, and
 * times last.
 */
function widthsFor<R extends Row>(
  columns: readonly Column<R>[],
  { natural, words }: { readonly natural: readonly number[]; readonly words: readonly number[] },
  inRow: readonly number[],
  width: number,
  isWide: boolean,
): number[] {
  const widths = natural.map((it) => Math.min(it, width))
  const total = () => totalOf(inRow.map((i) => widths[i] as number))
  const shrink = (candidates: readonly number[], least: number, leastEach: readonly number[] = []): void => {
    while (total() > width) {
      const [widest] = candidates
        .filter((i) => (widths[i] as number) > Math.max(least, leastEach[i] ?? 0))
        .toSorted((a, b) => (widths[b] as number) - (widths[a] as number))
      if (widest === undefined) return
      widths[widest] = (widths[widest] as number) - 1
    }
  }
  if (isWide)
    shrink(
      inRow.filter((i) => columns[i]?.isProse === true),
      PROSE_WIDTH_MIN,
    )
  const broken = inRow.filter((i) => columns[i]?.isWhole !== true)
  shrink(broken, 1, words)
  shrink(broken, WIDTH_MIN)
  shrink(inRow, 1)
  return widths
}

/** Cells of one part stand beside one another as far as there is room. */
function linesBelow(cells: readonly (readonly string[])[], width: number): string[] {
  const lines: string[] = []
  let isOpen = false
  for (const parts of cells) {
    const [text = ''] = parts
    if (parts.length <= 1 && text === '') continue
    const last = lines.at(-1) ?? ''
    if (isOpen && parts.length === 1 && last.length + GAP.length + text.length <= width)
      lines[lines.length - 1] = `${last}${GAP}${text}`
    else lines.push(...wrapParts(parts, width))
    isOpen = parts.length === 1
  }
  return lines
}

function wrapParts(parts: readonly string[], width: number): string[] {
  return parts.flatMap((part) => {
    if (!part.startsWith(ARROW)) return wrapText(part, width)
    const lines = wrapText(part.slice(ARROW.length), width - ARROW.length)
    return lines.map((line, i) => `${i === 0 ? ARROW : ' '.repeat(ARROW.length)}${line}`)
  })
}

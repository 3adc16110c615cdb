import type { Writable } from 'node:stream'
import { printable, printableJson } from '../lib/printable.ts'

export type Cell = string | number | undefined

/** One line of a result: named fields, `undefined` where there is nothing to say. */
export type Row = Readonly<Record<string, unknown>>

export interface Column<R extends Row> {
  readonly title: string
  readonly cell: (row: R) => Cell
  readonly alignment?: 'left' | 'right'
}

export interface Terminal extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
}

const GAP = '  '

/**
 * What a command prints. With `--json` every row is one line of JSON, so that a long result can be read as it comes;
 * without, rows are a table. Notes go to standard error, so that a script reads nothing but rows. Whatever others have
 * written into it, a line stays a line and moves no cursor.
 */
export class Output {
  readonly isJson: boolean
  readonly #out: Terminal
  readonly #notes: Terminal

  constructor(isJson: boolean, out: Terminal = process.stdout, notes: Terminal = process.stderr) {
    this.isJson = isJson
    this.#out = out
    this.#notes = notes
    out.on('error', ignoreClosedPipe)
  }

  /** A list. Nothing found is said to people, and is no line at all to a script. */
  rows<R extends Row>(columns: readonly Column<R>[], rows: readonly R[], none: string): void {
    if (this.isJson) {
      for (const row of rows) this.json(row)
    } else if (rows.length === 0) this.note(none)
    else this.#out.write(table(columns, rows))
  }

  /** One line of JSON, whatever the form. */
  json(value: unknown): void {
    this.#out.write(`${printableJson(JSON.stringify(value))}\n`)
  }

  /** A line for people: the result itself. Left out with `--json`. */
  line(text: string): void {
    if (!this.isJson) this.#out.write(`${printable(text)}\n`)
  }

  /** A line for people beside the result. */
  note(text: string): void {
    this.#notes.write(`${printable(text)}\n`)
  }

  /** Whether somebody watches, so that a line may be drawn over. */
  get isWatched(): boolean {
    return !this.isJson && this.#notes.isTTY === true
  }

  /** Draws over the last line of standard error; only when somebody watches. An empty text clears it. */
  redraw(text: string): void {
    if (!this.isWatched) return
    const width = (this.#notes.columns ?? 80) - 1
    this.#notes.write(`\r\u001B[K${printable(text).slice(0, width)}`)
  }
}

/** Whoever read the output has seen enough (`| head`); what the command does is done all the same. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

/** Columns as wide as their widest cell. */
function table<R extends Row>(columns: readonly Column<R>[], rows: readonly R[]): string {
  const cells = rows.map((row) => columns.map(({ cell }) => printable(String(cell(row) ?? ''))))
  const widths = columns.map(({ title }, i) =>
    cells.reduce((width, row) => Math.max(width, (row[i] as string).length), title.length),
  )
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => {
        const width = widths[i] as number
        return columns[i]?.alignment === 'right' ? text.padStart(width) : text.padEnd(width)
      })
      .join(GAP)
      .trimEnd()
  return `${[columns.map(({ title }) => title), ...cells].map(line).join('\n')}\n`
}

import type { Writable } from 'node:stream'
import { styleText } from 'node:util'
import { printable, printableJson } from '../lib/printable.ts'
import { wrapText } from '../lib/wrap-text.ts'
import { EXIT_CODE } from './exit-code.ts'
import { type Column, type Row, type Style, tableLines } from './table.ts'

export type { Column } from './table.ts'

export interface Terminal extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** What every error of a command begins with, on standard error. */
const ERROR_PREFIX = 'logout-relay: error:'

/**
 * What a command prints. With `--json` every row is one line of JSON, so that a long result can be read as it comes;
 * without, rows are a table, on a terminal and elsewhere. Notes go to standard error, so that a script reads nothing but rows. Whatever others have
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
    else {
      const paint = (style: Style, text: string) => painted(style, text, this.#out)
      this.#out.write(`${tableLines(columns, rows, this.#width, paint).join('\n')}\n`)
    }
  }

  /** One line of JSON, whatever the form. */
  json(value: unknown): void {
    this.#out.write(`${printableJson(JSON.stringify(value))}\n`)
  }

  /** A line for people: the result itself. Left out with `--json`. */
  line(text: string): void {
    if (!this.isJson) this.#out.write(`${wrapped(printable(text), this.#out)}\n`)
  }

  /** A line for people beside the result. */
  note(text: string): void {
    this.#notes.write(`${wrapped(printable(text), this.#notes)}\n`)
  }

  /** Why what was asked for did not come about; the command ends with 1. */
  fail(text: string): void {
    this.#notes.write(errorLine(text, this.#notes))
    process.exitCode = EXIT_CODE.failed
  }

  /** What is piped is broken nowhere: it is searched, not looked at. */
  get #width(): number {
    return widthOf(this.#out)
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

function widthOf({ isTTY, columns }: Terminal): number {
  return isTTY === true && columns !== undefined && columns > 0 ? columns : Number.POSITIVE_INFINITY
}

/** A sentence that is wider than the terminal is broken between its words. */
function wrapped(text: string, stream: Terminal): string {
  return wrapText(text, widthOf(stream)).join('\n')
}

/** Whoever read the output has seen enough (`| head`); what the command does is done all the same. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

/** An error as every command tells it; a list of problems has lines. */
export function errorLine(text: string, stream: Terminal): string {
  // Wrapped with the prefix, which is painted afterwards.
  const lines = `${ERROR_PREFIX} ${text}`.split('\n').map((line) => wrapped(printable(line), stream))
  return `${painted('red', ERROR_PREFIX, stream)}${lines.join('\n').slice(ERROR_PREFIX.length)}\n`
}

/** On a terminal, unless `NO_COLOR` is set; elsewhere with `FORCE_COLOR`. */
function painted(style: Style, text: string, stream: Terminal): string {
  return styleText(style, text, { stream })
}

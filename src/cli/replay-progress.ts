import type { ReplayCounts } from '../recovery/replay-tally.ts'
import { EXIT_CODE } from './exit-code.ts'
import type { Output } from './output.ts'

export interface ReplayState extends ReplayCounts {
  /** What is going on: `read`, `parked`, a phase of the rebuild, `summary`. */
  readonly step: string
  readonly records: number
  readonly recordsTotal: number
}

const STEP_MS = 1_000
const DRAW_MS = 100
const BAR_WIDTH = 24

/** Tells how far a replay is: a bar that is drawn over on a terminal, else a line of JSON per second and step. */
export class ReplayProgress {
  readonly #output: Output
  readonly #read: () => ReplayState
  readonly #timer: NodeJS.Timeout
  #step = ''
  #told = ''

  constructor(output: Output, read: () => ReplayState) {
    this.#output = output
    this.#read = read
    this.#timer = setInterval(() => this.#tell(), output.isJson ? STEP_MS : DRAW_MS)
    this.#timer.unref()
  }

  /** A step begins, which is told at once. */
  begin(step: string): void {
    if (step === this.#step) return
    this.#step = step
    this.#tell()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#output.redraw('')
  }

  #tell(): void {
    const state = { ...this.#read(), step: this.#step }
    if (this.#output.isJson) {
      // A replay that waits for a parked delivery says nothing until something happens.
      const line = JSON.stringify(state)
      if (line !== this.#told) this.#output.json(state)
      this.#told = line
    } else this.#output.redraw(barLine(state))
  }
}

export function barLine({ step, records, recordsTotal, sent, failed, parked }: ReplayState): string {
  const share = recordsTotal === 0 ? 0 : Math.min(records / recordsTotal, 1)
  const filled = Math.round(share * BAR_WIDTH)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`
  return `${step} ${bar} ${Math.floor(share * 100)} %  sent ${sent}  failed ${failed}  parked ${parked}`
}

/** The whole of a run in one row. */
export function summarize(output: Output, row: Readonly<Record<string, number>>): void {
  if (output.isJson) {
    output.json({ step: 'summary', ...row })
    return
  }
  const columns = Object.keys(row).map((title) => ({
    title,
    alignment: 'right' as const,
    cell: (it: Readonly<Record<string, number>>) => it[title],
  }))
  output.rows(columns, [row], '')
}

/** 0 when everything that was owed has been sent. */
export function exitCodeOfCounts({ failed, parked, open }: ReplayCounts): number {
  return failed + parked + open === 0 ? EXIT_CODE.ok : EXIT_CODE.failed
}

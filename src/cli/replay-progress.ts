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

/** Tells how far a replay is: a bar that is drawn over on a terminal, or with `--json` a line per second and step. */
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

/**
 * How far it is: of the deliveries while their outcomes are awaited, which is what takes long; before that of the records
 * that are read.
 */
export function barLine({ step, records, recordsTotal, owed, sent, failed, parked }: ReplayState): string {
  const ended = sent + failed
  const isSettling = step === 'settle'
  const [done, total] = isSettling ? [ended, owed] : [records, recordsTotal]
  const share = total === 0 ? 0 : Math.min(done / total, 1)
  const filled = Math.round(share * BAR_WIDTH)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`
  const percent = `${Math.floor(share * 100)} %`
  const deliveries = `sent ${sent}  failed ${failed}  parked ${parked}`
  return isSettling
    ? `deliveries ${bar} ${percent} of ${owed}  ${deliveries}`
    : `${step} ${bar} ${percent}  owed ${owed}  ${deliveries}`
}

const TITLES: Readonly<Record<string, string>> = {
  read: 'TRIGGERS READ',
  left: 'LEFT TO RELAYS',
  parked: 'STILL PARKED',
  open: 'NOT PARKED',
}

/** The whole of a run in one row. `titles`: what a column is called that holds something else this time. */
export function summarize(
  output: Output,
  row: Readonly<Record<string, number>>,
  titles: Readonly<Record<string, string>> = {},
): void {
  if (output.isJson) {
    output.json({ step: 'summary', ...row })
    return
  }
  const columns = Object.keys(row).map((name) => ({
    title: titles[name] ?? TITLES[name] ?? name.toUpperCase(),
    alignment: 'right' as const,
    cell: (it: Readonly<Record<string, number>>) => it[name],
  }))
  output.rows(columns, [row], '')
}

/** 0 when everything that was owed has been sent. */
export function exitCodeOfCounts({ failed, parked, open }: ReplayCounts): number {
  return failed + parked + open === 0 ? EXIT_CODE.ok : EXIT_CODE.failed
}

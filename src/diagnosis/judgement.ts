import { durationText } from '../lib/duration-text.ts'

/**
 * `problem`: logouts are lost, late or refused until it is mended. `warning`: they may be. `hint`: worth knowing.
 * `unknown`: it could not be looked at because something before it failed.
 */
export type Status = 'ok' | 'hint' | 'warning' | 'problem' | 'unknown'

/** What one look has found. */
export interface Judgement {
  readonly status: Status
  /** What is the case, and what follows from it. */
  readonly found: string
  /** What to do about it; missing where there is nothing to do. */
  readonly mend?: string
}

export function ok(found: string): Judgement {
  return { status: 'ok', found }
}

export function hint(found: string, mend: string): Judgement {
  return { status: 'hint', found, mend }
}

export function warning(found: string, mend: string): Judgement {
  return { status: 'warning', found, mend }
}

export function problem(found: string, mend: string): Judgement {
  return { status: 'problem', found, mend }
}

export function unknown(found: string): Judgement {
  return { status: 'unknown', found }
}

/** A time that was measured, with no more digits than mean anything. */
export function measuredText(ms: number): string {
  if (ms >= 1_000) return durationText(Math.round(ms / 1_000) * 1_000)
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}

import { durationText } from '../lib/duration-text.ts'
import type { CheckName } from './check-names.ts'
import type { Fact } from './facts.ts'

/**
 * `error`: logouts are lost, late or refused, or nothing goes on, until it is remedied; a relay that finds one is not
 * ready. `warning`: it goes on, and something that is named may be lost or may stand still. `hint`: worth knowing. `ok`:
 * what was seen where nothing is wrong. `unknown`: it could not be looked at because something before it failed.
 */
export type Severity = 'error' | 'warning' | 'hint' | 'ok' | 'unknown'

/** What a check has found. */
export interface Found {
  readonly severity: Severity
  /** What it was found at where a check looks at several things: a topic, a broker, a key. */
  readonly about?: string | undefined
  /** What is the case and what follows from it. */
  readonly text: string
  /** The text without the keys that it quotes, for whoever may not see the id of a session; else not set. */
  readonly summary?: string | undefined
  /** What to do about it; missing where there is nothing to do. */
  readonly remedy?: string | undefined
}

/** Something about the surroundings of the relay that its operator should know. */
export interface Finding extends Found {
  /** Which check found it; stable. */
  readonly check: CheckName
}

export function ok(text: string, about?: string): Found {
  return { severity: 'ok', about, text }
}

export function hint(text: string, remedy: string, about?: string): Found {
  return { severity: 'hint', about, text, remedy }
}

export function warning(text: string, remedy: string, about?: string): Found {
  return { severity: 'warning', about, text, remedy }
}

export function error(text: string, remedy: string, about?: string): Found {
  return { severity: 'error', about, text, remedy }
}

export function unknown(text: string, about?: string): Found {
  return { severity: 'unknown', about, text }
}

/** The text, after what it is about where it does not say that itself: of several issuers, which. */
export function textOf({ about, text }: Pick<Found, 'about' | 'text'>): string {
  return about === undefined || text.includes(about) ? text : `${about}: ${text}`
}

/** Something is wrong, or worth knowing. */
export function isTrouble({ severity }: Found): boolean {
  return severity !== 'ok' && severity !== 'unknown'
}

/** For a fact that could not be read: permissions may be missing, and that alone must not stop a relay. */
export function unreadHint(
  what: string,
  { unread }: Extract<Fact<unknown>, { unread: string }>,
  remedy: string,
  about?: string,
): Found {
  return hint(`${what} could not be read: ${unread}`, remedy, about)
}

/** A time that was measured, with no more digits than mean anything. */
export function measuredText(ms: number): string {
  if (ms >= 1_000) return durationText(Math.round(ms / 1_000) * 1_000)
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}

import type { Login, Logout, Step } from './history.ts'

/**
 * The promise of the relay in a form that is small enough to be believed. It knows what the producer has written, and
 * when; never what the relay knows.
 *
 * A logout ends the registrations of its session, or of its user where it names no session, that are dated up to its
 * cut-off: the time that it states, at most that of its record, and that of its record where it names a session; at most
 * the moment at which it is read; and the tolerance. A registration dated later is another login. The order of the records
 * means nothing.
 */

const TOLERANCE_MS = 5_000
const PLAUSIBLE_SINCE_MS = Date.UTC(2001, 0, 1)
/** Closer to each other nobody should rely on either answer. */
const MARGIN_MS = 1_000

/** Milliseconds since the epoch between which it lies. */
interface Between {
  readonly from: number
  readonly to: number
}

/** A step with the moment at which it was written. */
export interface Written {
  readonly step: Step
  /** Asked for, and acknowledged. */
  readonly at: Between
  /** It stood on the topic before the group's first start, and old logouts are not sent. */
  readonly isOld: boolean
}

export interface Ending {
  readonly logout: Logout
  /** Whether it ends the registration in any case, or perhaps. */
  readonly certainty: 'must' | 'may'
  readonly phase: number
  readonly writtenFromMs: number
  readonly isOld: boolean
}

export interface Owed {
  readonly login: Login
  /** `must`: the RP must be told, by one of the endings. `may`: all or nothing. `must-not`: it must still be alive. */
  readonly told: 'must' | 'may' | 'must-not'
  readonly endings: readonly Ending[]
  /** By the end of this phase it must have been told, where it must. */
  readonly duePhase: number
  /** Another login under the same ids has taken its place, or may have; then nothing is known of this one. */
  readonly isReplaced: boolean
  /** Its session may have ended before the relay was first started: it may be gone without a word. */
  readonly isOver: boolean
}

/** `startMs`: of the batch. `endMs`: nothing is read after it. */
export function promised(written: readonly Written[], startMs: number, endMs: number): Owed[] {
  const logins = new Map<Login, Written>()
  for (const it of written) {
    const { what } = it.step
    if (what.kind === 'login' && !logins.has(what)) logins.set(what, it)
  }
  const found = [...logins].map(([login, first]) => {
    const date = dateOf(login.stated, first, startMs, endMs)
    const endings = written.flatMap((it): Ending[] => {
      const { what, phase } = it.step
      if (what.kind !== 'logout' || !isAbout(what, login)) return []
      const cutOff = cutOffOf(what, it, startMs, endMs)
      if (date.from > cutOff.to + MARGIN_MS) return []
      const certainty = date.to + MARGIN_MS <= cutOff.from ? 'must' : 'may'
      return [{ logout: what, certainty, phase, writtenFromMs: it.at.from, isOld: it.isOld }]
    })
    return { login, first, date, endings }
  })
  return found.map(({ login, first, date, endings: all }): Owed => {
    // An old logout is not sent; but a login that comes when the relay runs may be told that its session is over.
    const endings = all.flatMap((it): Ending[] => {
      if (!it.isOld) return [it]
      return first.isOld ? [] : [{ ...it, certainty: 'may' }]
    })
    const isOver = all.some(({ isOld }) => isOld)
    const isReplaced = found.some(
      (other) =>
        other.login !== login &&
        isSameKey(other.login, login) &&
        // One that is dated before another under its ids cannot be told from a repetition of what came before that.
        (mayReplace(other.first.step, first.step, endings) || date.from <= other.date.to + MARGIN_MS),
    )
    const isCertain = endings.some(({ certainty }) => certainty === 'must')
    const told = isReplaced || isOver ? 'may' : isCertain ? 'must' : endings.length > 0 ? 'may' : 'must-not'
    const duePhase = Math.max(
      first.step.phase,
      Math.min(...endings.flatMap(({ certainty, phase }) => (certainty === 'must' ? [phase] : []))),
    )
    return { login, told, endings, duePhase, isReplaced, isOver }
  })
}

/** In one field of the store there is place for one: a later login replaces one that has not come to its end before. */
function mayReplace(other: Step, step: Step, endings: readonly Ending[]): boolean {
  if (other.phase < step.phase) return false
  if (other.phase > step.phase) {
    return !endings.some(({ certainty, phase }) => certainty === 'must' && phase < other.phase)
  }
  // In one partition the order is known; the later one of a phase is in its second wave.
  return other.partition !== step.partition || other.wave >= step.wave
}

function isSameKey(a: Login, b: Login): boolean {
  return a.sessionId === b.sessionId && a.oidcSessionId === b.oidcSessionId
}

function isAbout(logout: Logout, login: Login): boolean {
  return logout.sessionId === undefined
    ? logout.userId === login.userId
    : logout.sessionId === login.sessionId
}

function dateOf(stated: Login['stated'], written: Written, startMs: number, endMs: number): Between {
  const { from, to } = statedOrRecorded(stated, written, startMs, endMs)
  const recorded = recordedAt(written, startMs)
  const isTimeless = recorded.from < PLAUSIBLE_SINCE_MS
  // None lies further in the future than the tolerance, seen from its record, or from the moment at which that is read.
  const latest = isTimeless ? { from: written.at.from, to: endMs } : recorded
  return {
    from: Math.min(from, latest.from + TOLERANCE_MS),
    to: Math.min(to, latest.to + TOLERANCE_MS),
  }
}

function cutOffOf(logout: Logout, written: Written, startMs: number, endMs: number): Between {
  const recorded = recordedAt(written, startMs)
  // A record without a time of its own may count as written when it is read.
  const latest = recorded.to < PLAUSIBLE_SINCE_MS ? { from: written.at.from, to: endMs } : recorded
  const stated = statedOrRecorded(logout.stated, written, startMs, endMs)
  const isNamed = logout.sessionId !== undefined
  const from = isNamed ? latest.from : Math.min(stated.from, latest.from)
  const to = isNamed ? latest.to : Math.min(stated.to, latest.to)
  return {
    from: Math.min(from, written.at.from) + TOLERANCE_MS,
    to: Math.min(to, endMs) + TOLERANCE_MS,
  }
}

function statedOrRecorded(
  stated: Login['stated'],
  written: Written,
  startMs: number,
  endMs: number,
): Between {
  if (stated.kind === 'at') return { from: startMs + stated.atMs, to: startMs + stated.atMs }
  const recorded = recordedAt(written, startMs)
  return recorded.from < PLAUSIBLE_SINCE_MS ? { from: written.at.from, to: endMs } : recorded
}

function recordedAt({ at, step: { recordAtMs } }: Written, startMs: number): Between {
  if (recordAtMs === undefined) return at
  if (recordAtMs === 'epoch') return { from: 0, to: 0 }
  return { from: startMs + recordAtMs, to: startMs + recordAtMs }
}

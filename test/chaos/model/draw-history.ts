import { hostileRecord } from '../hostile-records.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { type HistoryCategory, historyCategories } from './categories.ts'
import {
  type Answers,
  type Client,
  type History,
  LAST_PHASE,
  type Login,
  type Logout,
  type Stated,
  type Step,
} from './history.ts'

const CATEGORIES_MAX = 3
export const MODEL_PARTITIONS = 4
/** The story of a history begins so long before its batch, and each phase of it takes so long. */
const BEGINS_MS = -600_000
const PHASE_MS = 120_000
const LATE_MS = 3 * 3_600_000
const SHIFT_MS = 3_600_000

const BROKEN: readonly (string | number)[] = ['yesterday', '', '1999-12-31T23:59:59Z', '0001-01-01T00:00:00Z']
const SCRIPTS: readonly { answers: Answers; isForGood?: boolean; isRefusing?: boolean }[] = [
  { answers: [503] },
  { answers: [503, 503, 503] },
  { answers: [503, 'slow'] },
  { answers: ['slow', 'slow'] },
  { answers: [400] },
  { answers: ['hang'] },
  { answers: [401], isForGood: true },
  { answers: [], isRefusing: true },
]

/** Draws one user's life: logins, how they end, and what of that goes wrong. */
export function drawHistory(
  name: string,
  random: SeededRandom,
  allowed: readonly HistoryCategory[],
  withOldLogouts: boolean,
): History {
  const categories = drawCategories(random, allowed)
  const has = (category: HistoryCategory) => categories.includes(category)
  const shiftMs = has('late') ? -LATE_MS : 0
  const at = (phase: number, offsetMs = 0) => BEGINS_MS + shiftMs + phase * PHASE_MS + offsetMs
  const userId = `${name}.user`
  const clients = Array.from({ length: random.between(1, 3) }, (_, i) =>
    drawClient(`${name}.c${i}`, has, random),
  )
  const steps: Step[] = []
  let logins = 0
  let logouts = 0

  const logIn = (
    ids: { sessionId: string; oidcSessionId: string; clientId: string },
    phase: number,
    wave: 1 | 2,
    datedMs: number,
  ): Login => {
    const login: Login = {
      ...ids,
      kind: 'login',
      name: `L${++logins}`,
      userId,
      sid: `${name}.L${logins}`,
      sub: userId,
      isSubOnly: has('claims') && ids.clientId === clients[0]?.clientId,
      stated: has('clocks') ? loginTime(datedMs, random) : { kind: 'at', atMs: datedMs },
    }
    const { stated } = login
    // One time at least must be sound: a login that nobody can date is another one at each reading.
    const isDated = stated.kind === 'at' && stated.atMs === datedMs
    const recordAtMs = isDated ? recordTime(datedMs, has, random) : datedMs
    steps.push({ what: login, phase, wave, recordAtMs })
    return login
  }
  const logOut = (
    kind: 'terminated' | 'signed-out' | 'everywhere',
    sessionId: string,
    phase: number,
    wave: 1 | 2,
    datedMs: number,
  ): void => {
    const logout: Logout = {
      kind: 'logout',
      name: `T${++logouts}`,
      type: kind === 'terminated' ? 'session-terminated' : 'user-signed-out',
      id: `${name}.T${logouts}`,
      ...(kind !== 'everywhere' && { sessionId }),
      userId,
      stated: has('clocks') ? logoutTime(datedMs, random) : { kind: 'at', atMs: datedMs },
    }
    steps.push({ what: logout, phase, wave, recordAtMs: recordTime(datedMs, has, random) })
  }
  /** Now, in every respect: what is alive must be told, whatever became of it before. */
  const endAtLast = (sessionId?: string): void => {
    const name = `T${++logouts}`
    const stated = { kind: 'absent' } as const
    const ids = { id: `${userId}.${name}`, userId, ...(sessionId !== undefined && { sessionId }) }
    const type = sessionId === undefined ? 'user-signed-out' : 'session-terminated'
    steps.push({ what: { ...ids, kind: 'logout', name, type, stated }, phase: LAST_PHASE, wave: 1 })
  }
  const kinds = ['terminated', 'signed-out', 'everywhere'] as const
  // Otherwise it would be a second trigger for what another one ends.
  const isEverywhere = random.next() < 0.35
  // One session ends, and while its outcome is under way the user signs out everywhere.
  const isStaggered = has('claims') && random.next() < 0.5
  let isSignedOut = false
  let endsAt = 1

  const sessions = Array.from({ length: has('claims') ? 2 : random.between(1, 2) }, (_, i) => `${name}.s${i}`)
  for (const sessionId of sessions) {
    const first: Login[] = []
    for (const { clientId } of clients) {
      first.push(logIn({ sessionId, clientId, oidcSessionId: `${sessionId}.${clientId}` }, 0, 1, at(0)))
    }
    if (withOldLogouts && random.next() < 0.3) logOut('terminated', sessionId, 0, 1, at(0, 20_000))
    const drawnEnd = random.between(1, LAST_PHASE - 1)
    endsAt = isEverywhere && isSignedOut ? endsAt : drawnEnd
    if (random.next() < 0.15) continue
    if (isStaggered) {
      if (isSignedOut) continue
      logOut('terminated', sessionId, endsAt, 1, at(endsAt))
      logOut('everywhere', sessionId, endsAt, 2, at(endsAt, 250))
      isSignedOut = true
      continue
    }
    const single = random.pick(['terminated', 'signed-out'] as const)
    const kind = isEverywhere ? 'everywhere' : single
    if (!(isEverywhere && isSignedOut)) logOut(kind, sessionId, endsAt, 1, at(endsAt))
    isSignedOut = true
    if (has('triggers')) {
      const again = random.pick(kinds)
      logOut(again, sessionId, endsAt, random.pick([1, 2] as const), at(endsAt, random.pick([0, 250])))
    }
    if (has('clocks') && random.next() < 0.5) {
      // Within the tolerance, and near it on either side.
      const { clientId } = random.pick(clients)
      const datedMs = at(endsAt, random.pick([3_000, 3_000, 9_000]))
      logIn(
        { sessionId, clientId, oidcSessionId: `${sessionId}.near` },
        endsAt,
        random.pick([1, 2] as const),
        datedMs,
      )
    }
    if (has('latecomer')) {
      const { clientId } = random.pick(clients)
      const phase = random.between(endsAt, LAST_PHASE - 1)
      logIn({ sessionId, clientId, oidcSessionId: `${sessionId}.late` }, phase, 2, at(endsAt, -20_000))
    }
    if (has('reuse')) {
      const old = random.pick(first)
      const isSame = random.next() < 0.7
      const ids = { ...old, oidcSessionId: isSame ? old.oidcSessionId : `${sessionId}.again` }
      const { clientId, oidcSessionId } = ids
      const phase = random.between(endsAt, LAST_PHASE - 1)
      logIn({ sessionId, clientId, oidcSessionId }, phase, 2, at(phase, 60_000))
    }
  }
  if (random.next() < 0.5) endAtLast()
  else for (const sessionId of sessions) endAtLast(sessionId)
  return { name, categories, clients, steps: arrange(steps, has, random) }
}

/** Duplicates, noise, and the order and place in which all of it is written. */
function arrange(
  drawn: readonly Step[],
  has: (category: HistoryCategory) => boolean,
  random: SeededRandom,
): Step[] {
  const steps = [...drawn]
  if (has('duplicates')) {
    for (let count = random.between(1, 3); count > 0; count--) {
      const step = random.pick(drawn)
      const later = Math.min(step.phase + random.between(0, 2), LAST_PHASE)
      // What is in the first place read again would take the place of what came after it.
      const phase = step.what.kind === 'login' ? step.phase : later
      steps.push({ ...step, phase })
    }
  }
  if (has('poison')) {
    for (let count = random.between(1, 4); count > 0; count--) {
      const { value, headers } = hostileRecord(random)
      const record = {
        value: value === null ? '' : String(value),
        headers: headers as Record<string, string>,
      }
      steps.push({ what: { kind: 'noise', record }, phase: random.between(0, LAST_PHASE), wave: 1 })
    }
  }
  const placed = has('reorder')
    ? shuffled(steps, random).map((step) => ({ ...step, partition: random.between(0, MODEL_PARTITIONS - 1) }))
    : steps
  return placed.toSorted((a, b) => a.phase - b.phase || a.wave - b.wave)
}

function drawCategories(random: SeededRandom, allowed: readonly HistoryCategory[]): HistoryCategory[] {
  const all = Object.keys(historyCategories) as HistoryCategory[]
  // Drawn from all of them, so that a history stays the same when a category is switched off that it does not have.
  const drawn = new Set<HistoryCategory>()
  for (let count = random.between(0, CATEGORIES_MAX); count > 0; count--) drawn.add(random.pick(all))
  return [...drawn].filter((category) => allowed.includes(category)).toSorted()
}

function drawClient(
  clientId: string,
  has: (category: HistoryCategory) => boolean,
  random: SeededRandom,
): Client {
  const script = random.pick(SCRIPTS)
  if (!has('answers')) return { clientId, answers: [], isForGood: false, isRefusing: false }
  const { answers, isForGood = false, isRefusing = false } = script
  return { clientId, answers, isForGood, isRefusing }
}

function loginTime(datedMs: number, random: SeededRandom): Stated {
  const lot = random.next()
  if (lot < 0.6) return { kind: 'at', atMs: datedMs }
  if (lot < 0.75) return { kind: 'absent' }
  if (lot < 0.85) return { kind: 'broken', value: 0 }
  return { kind: 'at', atMs: datedMs + random.pick([-SHIFT_MS, SHIFT_MS]) }
}

function logoutTime(datedMs: number, random: SeededRandom): Stated {
  const lot = random.next()
  if (lot < 0.3) return { kind: 'at', atMs: datedMs }
  if (lot < 0.5) return { kind: 'absent' }
  if (lot < 0.7) return { kind: 'broken', value: random.pick(BROKEN) }
  return { kind: 'at', atMs: datedMs + random.pick([-SHIFT_MS, SHIFT_MS]) }
}

function recordTime(
  datedMs: number,
  has: (category: HistoryCategory) => boolean,
  random: SeededRandom,
): number | 'epoch' {
  return has('clocks') && random.next() < 0.2 ? 'epoch' : datedMs
}

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item)
}

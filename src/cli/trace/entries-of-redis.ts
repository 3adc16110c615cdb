import { systemClock } from '../../lib/clock.ts'
import { counted } from '../../lib/counted.ts'
import { durationText } from '../../lib/duration-text.ts'
import type { RedisBacklogView } from '../../redis/redis-backlog-view.ts'
import type { RedisSessionView, SessionState } from '../../redis/redis-session-view.ts'
import { isEndedBy, registrationRows } from '../sessions/registration-rows.ts'
import { parkedOf } from '../sessions/show-session.ts'
import type { Entry } from './entry.ts'
import type { Subject } from './subject.ts'

/** What Redis holds about the subject now. Throws when it is out of reach. */
export async function entriesOfRedis(
  issuer: string,
  { sessions, users }: Subject,
  view: RedisSessionView,
  backlog: RedisBacklogView,
): Promise<Entry[]> {
  const entries: Entry[] = []
  const now = systemClock.now()
  for (const userId of users) {
    const mark = await view.signedOut(issuer, userId)
    if (mark === undefined) continue
    const { id } = mark.origin
    entries.push({ atMs: now, kind: 'ended', userId, triggerId: id, text: `signed out everywhere, by ${id}` })
  }
  for (const state of await statesOf(issuer, sessions, view)) {
    entries.push(...(await entriesOfSession(state, backlog, now)))
  }
  return entries
}

const PAGE = 500

async function statesOf(issuer: string, sessions: ReadonlySet<string>, view: RedisSessionView) {
  const ids = [...sessions]
  const states: SessionState[] = []
  for (let i = 0; i < ids.length; i += PAGE) states.push(...(await view.find(issuer, ids.slice(i, i + PAGE))))
  return states
}

async function entriesOfSession(
  state: SessionState,
  backlog: RedisBacklogView,
  now: number,
): Promise<Entry[]> {
  const { sessionId, ended } = state
  const parked = await parkedOf(state, backlog, now)
  const entries = registrationRows(state, parked, now).map((row): Entry => {
    const { oidcSessionId, clientId, userId, attempts, lastError } = row
    const delivery = parked.find((it) => it.oidcSessionId === oidcSessionId)
    const tried = attempts === undefined || attempts === 0 ? '' : `, ${counted(attempts, 'attempt')}`
    const last = lastError === undefined ? '' : `, last: ${lastError}`
    const registration = state.registrations.find((it) => it.oidcSessionId === oidcSessionId)
    const isShadowed = registration?.isShadowed === true
    const isOwed = delivery !== undefined || isEndedBy(ended, registration ?? {}, now)
    const text = registration !== undefined && !isOwed && !isShadowed ? 'registered' : row.state
    return {
      atMs: now,
      kind: isShadowed ? 'shadowed' : isOwed ? 'owed' : 'alive',
      sessionId,
      oidcSessionId,
      ...(clientId !== undefined && { clientId }),
      ...(userId !== undefined && { userId }),
      text: `${text}${tried}${last}`,
      ...(registration?.pendingOutcome !== undefined && { isDecided: true }),
      ...(attempts !== undefined && { attempts }),
      ...(lastError !== undefined && { lastError }),
      ...(delivery !== undefined && {
        dueMs: delivery.dueMs,
        isHeld: delivery.leasedUntilMs !== undefined,
        ...(delivery.isPaused && { isPaused: true }),
      }),
    }
  })
  if (ended === undefined) return entries
  const by = ended.origin === undefined ? '' : ` by ${ended.origin.id}`
  const text = `ended${by}, kept for another ${durationText(ended.expiresInMs)}`
  const triggerId = ended.origin?.id
  return [
    { atMs: now, kind: 'ended', sessionId, text, ...(triggerId !== undefined && { triggerId }) },
    ...entries,
  ]
}

import { CLOCK_TOLERANCE_MS } from '../../events/claimed-time.ts'
import { counted } from '../../lib/counted.ts'
import { dueText, PAUSED } from '../sessions/registration-rows.ts'
import type { Entry } from './entry.ts'
import { unreadText } from './unread.ts'

/** How the logout of one registration stands. */
type Standing =
  | { readonly kind: 'sent' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** It was to be told in shadow mode, where nothing is sent. */
  | { readonly kind: 'shadowed' }
  | {
      readonly kind: 'owed'
      readonly isHeld: boolean
      readonly isDecided: boolean
      readonly isPaused: boolean
      /** No relay has read the trigger that ends it. */
      readonly isUnread: boolean
      readonly dueMs?: number
    }
  /** Its session goes on. */
  | { readonly kind: 'alive' }
  /** No relay has read its record. */
  | { readonly kind: 'unread' }
  /** It stands nowhere any more, and no outcome says why. */
  | { readonly kind: 'missing' }

export interface Summary {
  readonly registrations: number
  readonly clients: number
  readonly sent: number
  readonly failed: number
  readonly owed: number
  readonly alive: number
  readonly missing: number
  readonly shadowed: number
  /** Records about it that no relay has read yet. */
  readonly unread: number
  /** For people. */
  readonly text: string
  /** Something is known of it, all of it was read, and every RP has been told: none is owed, failed, or still registered. */
  readonly isSettled: boolean
}

/** They say nothing of a registration that counts. */
const NOT_COUNTED: ReadonlySet<Entry['kind']> = new Set(['disbelieved', 'waiting', 'unknown-type'])

/** What the timeline comes down to: how many RPs, and how the logout of each stands. */
export function summarize(entries: readonly Entry[], nowMs: number): Summary {
  const registrations = new Map<string, Entry[]>()
  for (const entry of entries) {
    if (entry.oidcSessionId === undefined || NOT_COUNTED.has(entry.kind)) continue
    const name = `${entry.sessionId}\n${entry.oidcSessionId}`
    const known = registrations.get(name)
    if (known === undefined) registrations.set(name, [entry])
    else known.push(entry)
  }
  const standings = [...registrations.values()].map((own) => standingOf(own, entries))
  const clients = new Set([...registrations.values()].map((own) => own.find((it) => it.clientId)?.clientId))
  const counts = {
    sent: numberOf('sent', standings),
    failed: numberOf('failed', standings),
    owed: numberOf('owed', standings),
    alive: numberOf('alive', standings),
    missing: numberOf('missing', standings),
    shadowed: numberOf('shadowed', standings),
  }
  const unread = entries.filter(({ kind }) => kind === 'unread')
  const told =
    registrations.size === 0
      ? 'no registration of an RP in this time, nor in Redis'
      : `${headText(registrations.size, clients.size)}: ${parts(standings, counts, nowMs).join(', ')}`
  return {
    registrations: registrations.size,
    clients: clients.size,
    ...counts,
    unread: unread.length,
    text: [told, ...unreadTexts(unread)].join('; '),
    isSettled: registrations.size > 0 && counts.sent === registrations.size && unread.length === 0,
  }
}

/** Of the last one, with which all of them will have been read as far as its partition goes. */
function unreadTexts(unread: readonly Entry[]): string[] {
  const at = unread.at(-1)
  if (at === undefined) return []
  const last = unread.length === 1 ? '' : ', the last one'
  const what = counted(unread.length, 'record is', 'records are')
  return [`${what} not read yet${last} in ${at.topic}/${at.partition}: ${unreadText(at)}`]
}

function standingOf(own: readonly Entry[], all: readonly Entry[]): Standing {
  const inRedis = own.find(({ kind }) => kind === 'owed' || kind === 'alive')
  if (inRedis !== undefined) {
    const { dueMs, isDecided = false, isHeld = false, isPaused = false, kind } = inRedis
    if (kind === 'alive' && !wasEnded(own, all)) return { kind: 'alive' }
    const isUnread = kind === 'alive' && !wasEnded(own, all, ['trigger'])
    return { kind: 'owed', isHeld, isDecided, isPaused, isUnread, ...(dueMs !== undefined && { dueMs }) }
  }
  // A crash may make a failed one of a sent one, or a sent one of a failed one; the RP was told in both cases.
  if (own.some(({ kind }) => kind === 'sent')) return { kind: 'sent' }
  const failed = own.findLast(({ kind }) => kind === 'failed')
  if (failed !== undefined) return { kind: 'failed', reason: failed.reason ?? 'unknown' }
  if (own.some(({ kind }) => kind === 'shadowed')) return { kind: 'shadowed' }
  return { kind: own.every(({ kind }) => kind === 'unread') ? 'unread' : 'missing' }
}

/** A trigger for its session, or a sign-out everywhere of its user that came after it; read, or not read yet. */
function wasEnded(
  own: readonly Entry[],
  all: readonly Entry[],
  kinds: readonly Entry['kind'][] = ['trigger', 'unread'],
): boolean {
  const { sessionId } = own[0] as Entry
  const userId = own.find((it) => it.userId !== undefined)?.userId
  const registeredAtMs = own.findLast(({ kind }) => kind === 'registered')?.atMs
  return all.some((it) => {
    // A registration that is not read yet ends nothing.
    if (it.oidcSessionId !== undefined || !kinds.includes(it.kind)) return false
    // A later login may have the ids of an earlier one.
    const isMeant = (otherwise: boolean) =>
      registeredAtMs === undefined ? otherwise : registeredAtMs <= it.atMs + CLOCK_TOLERANCE_MS
    if (it.sessionId !== undefined) return it.sessionId === sessionId && isMeant(true)
    return it.userId === userId && isMeant(false)
  })
}

function numberOf(kind: Standing['kind'], standings: readonly Standing[]): number {
  return standings.filter((it) => it.kind === kind).length
}

function headText(registrations: number, clients: number): string {
  const rps = counted(clients, 'RP')
  return registrations === clients ? rps : `${registrations} registrations at ${rps}`
}

function parts(
  standings: readonly Standing[],
  {
    sent,
    failed,
    owed,
    alive,
    missing,
    shadowed,
  }: Omit<Summary, 'registrations' | 'clients' | 'text' | 'isSettled' | 'unread'>,
  nowMs: number,
): string[] {
  const reasons = new Set(standings.flatMap((it) => (it.kind === 'failed' ? [it.reason] : [])))
  return [
    ...(sent > 0 ? [`${sent} sent`] : []),
    ...(failed > 0 ? [`${failed} failed (${[...reasons].join(', ')})`] : []),
    ...(owed > 0 ? [`${owed} owed (${owedDetail(standings, nowMs)})`] : []),
    ...(alive > 0 ? [`${alive} registered, no logout requested`] : []),
    ...(shadowed > 0 ? [`${shadowed} in shadow mode, not sent`] : []),
    ...(standings.some(({ kind }) => kind === 'unread')
      ? [`${numberOf('unread', standings)} not read by any relay yet`]
      : []),
    ...(missing > 0 ? [`${missing} without an outcome, and not in Redis`] : []),
  ]
}

function owedDetail(standings: readonly Standing[], nowMs: number): string {
  const owed = standings.filter((it) => it.kind === 'owed')
  if (owed.every(({ isUnread }) => isUnread)) return 'no relay has read its end yet'
  if (owed.every(({ isDecided }) => isDecided)) return 'Kafka has not acknowledged the outcome yet'
  const due = owed.flatMap(({ dueMs, isDecided, isHeld, isPaused }) =>
    dueMs === undefined || isHeld || isDecided || isPaused ? [] : [dueMs],
  )
  if (due.length > 0) return `parked, next attempt ${dueText(Math.min(...due), nowMs)}`
  if (owed.some(({ isPaused }) => isPaused)) return `parked, ${PAUSED}`
  return owed.some(({ isHeld }) => isHeld) ? 'held by a relay' : 'no relay has parked or settled it yet'
}

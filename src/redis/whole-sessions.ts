import { readWholeScript, scanFieldsScript } from './bounded-reads.ts'
import type { RedisCommand, RedisScript } from './redis-connection.ts'
import { evalScript } from './redis-script.ts'
import { readSession, type StoredSession, type StoredValue } from './stored-registration.ts'

/** Registrations per scan step, so that Redis serves others in between. */
const COUNT = 500
/** Sessions per round trip: each may be as large as one read allows. */
const SESSIONS_AT_ONCE = 32

export const wholeSessionsScripts: readonly RedisScript[] = [readWholeScript, scanFieldsScript]

export interface SessionAt {
  readonly issuer: string
  readonly sessionId: string
  readonly key: string
}

/** Reads sessions of any size. `run` must know `wholeSessionsScripts`. */
export async function wholeSessions(
  run: (commands: readonly RedisCommand[]) => Promise<unknown[]>,
  sessions: readonly SessionAt[],
): Promise<StoredSession[]> {
  const all: StoredSession[] = []
  for (let from = 0; from < sessions.length; from += SESSIONS_AT_ONCE) {
    const part = sessions.slice(from, from + SESSIONS_AT_ONCE)
    const replies = await run(part.map(({ key }) => evalScript(readWholeScript, [key], [])))
    for (const [i, it] of part.entries())
      all.push(replies[i] === 0 ? await inParts(run, it) : readSession(replies[i], it.issuer, it.sessionId))
  }
  return all
}

async function inParts(
  run: (commands: readonly RedisCommand[]) => Promise<unknown[]>,
  { issuer, key, sessionId }: SessionAt,
): Promise<StoredSession> {
  // A scan may return a registration twice.
  const registrations = new Map<string, StoredSession['registrations'][number]>()
  const broken = new Map<string, StoredSession['broken'][number]>()
  let cursor = '0'
  do {
    const [reply] = await run([evalScript(scanFieldsScript, [key], [cursor, COUNT])])
    const [next, flat] = reply as [string, StoredValue[]]
    const part = readSession(flat, issuer, sessionId)
    for (const it of part.registrations) registrations.set(it.oidcSessionId, it)
    for (const it of part.broken) broken.set(it.oidcSessionId, it)
    cursor = next
  } while (cursor !== '0')
  return { registrations: [...registrations.values()], broken: [...broken.values()] }
}

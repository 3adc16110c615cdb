import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { eventually } from './eventually.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { RegistrationInput, RelaySite } from './relay-site.ts'

export interface Work {
  readonly registrations: readonly RegistrationInput[]
  readonly sessionIds: readonly string[]
}

/** Registers sessions at all relying parties of the ledger; ES256, because it is the quickest to sign. */
export async function registerSessions(site: RelaySite, ledger: Ledger, sessions: number): Promise<Work> {
  const sessionIds = Array.from({ length: sessions }, () => randomUUID())
  const registrations = sessionIds.flatMap((sessionId) => {
    const userId = randomUUID()
    return ledger.relyingParties.map(({ clientId, backchannelLogoutUri }) =>
      site.registration('/', { sessionId, userId, clientId, backchannelLogoutUri, alg: 'ES256' }),
    )
  })
  await site.registerInRedis(...registrations)
  return { registrations, sessionIds }
}

/** Waits for the ends that must come, and holds the ledger's book and the topic against what was owed. */
export async function expectAllDelivered(
  site: RelaySite,
  ledger: Ledger,
  { registrations, sessionIds }: Work,
  { duplicatesMax }: { duplicatesMax: number },
): Promise<void> {
  await ledger.waitFor({ distinctMin: registrations.length })
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
  await site.topic.caughtUp()

  const clientIds = ledger.relyingParties.map(({ clientId }) => clientId)
  const book = await ledger.expect(sessionIds.map((sessionId) => ({ sessionId, clientIds })))
  expect(book).toMatchObject({ missing: 0, unexpected: 0, expected: registrations.length })
  expect(book.duplicates).toBeLessThanOrEqual(duplicatesMax)
  expect(await ledger.summary()).toMatchObject({ invalid: 0, repeatedJti: 0 })

  // One outcome id per delivery, `sent`, however often the record itself is there.
  const idOf = new Map<string, Set<string>>()
  for (const { data, headers } of site.topic.outcomes) {
    expect(headers.ce_type).toBe('backchannel-logout-sent')
    const name = `${data.sessionId} ${data.oidcSessionId}`
    idOf.set(name, (idOf.get(name) ?? new Set()).add(headers.ce_id as string))
  }
  expect(idOf.size).toBe(registrations.length)
  expect(Math.max(...[...idOf.values()].map(({ size }) => size))).toBe(1)
  expect(await site.redisKeys('session:*')).toEqual([])
}

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { Browser } from '../support/identity/browser.ts'
import { type IdentityProvider, startIssuers } from '../support/identity/provider.ts'
import { type RelyingParty, startRelyingParty } from '../support/identity/relying-party.ts'
import { startRelay } from '../support/relay-process.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { TopicLog } from '../support/topic-log.ts'

const backends = { kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') }

/** An issuer with two applications; at both issuers they have the same client ids, and users the same names. */
interface Realm {
  readonly provider: IdentityProvider
  readonly rps: readonly RelyingParty[]
}

let realms: readonly [Realm, Realm]
let topic: TopicLog
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  const name = `e2e-${randomUUID()}`
  const group = `${name}.relay`
  const scratch = stack.use(createScratchDirectory('issuers'))
  topic = await TopicLog.create(backends.kafkaBrokers, name)
  stack.defer(() => topic.remove(group))
  const { kafkaBrokers } = backends
  const providers = await startIssuers(['/realms/a', '/realms/b'], { kafkaBrokers, topic: name })
  for (const provider of providers) stack.defer(() => provider.stop())
  const started = await Promise.all(
    providers.map(async (provider): Promise<Realm> => {
      const rps = await Promise.all(
        ['shop', 'wiki'].map((clientId) => startRelyingParty({ provider, clientId, name: clientId })),
      )
      for (const rp of rps) stack.defer(() => rp.stop())
      return { provider, rps }
    }),
  )
  realms = started as [Realm, Realm]
  const issuers = providers.map(({ issuer }, i) => ({ issuer, keys: { file: `${i}.json` } }))
  for (const [i, { privateKeys }] of providers.entries())
    await replaceFile(join(scratch.path, `${i}.json`), JSON.stringify(privateKeys))
  const file = join(scratch.path, 'issuers.yaml')
  await replaceFile(file, JSON.stringify({ issuers }))
  const relay = await startRelay({
    ...backends,
    issuer: '',
    signingKeysFile: '',
    env: {
      ISSUERS_FILE: file,
      KAFKA_TOPICS: name,
      KAFKA_GROUP_ID: group,
      KAFKA_START_FROM: 'earliest',
      REDIS_PREFIX: name,
      SESSION_LIFETIME_MS: '3600000',
    },
  })
  stack.defer(async () => void (await relay.stop()))
})
afterAll(() => stack.disposeAsync())

async function signedIn({ provider, rps }: Realm, userId: string) {
  const browser = new Browser()
  for (const rp of rps) await browser.signIn(rp, userId)
  const sessionId = provider.sessionsOf(userId).at(-1) as string
  const isAt = async () => {
    const at: string[] = []
    for (const rp of rps) if (await browser.isSignedIn(rp)) at.push(rp.clientId)
    return at
  }
  return { sessionId, isAt }
}

/** 204: the library of the RP found the key in the JWK set of its own issuer, and verified the token with it. */
async function expectSent({ provider: { issuer } }: Realm, sessionId: string): Promise<void> {
  for (const clientId of ['shop', 'wiki']) {
    const { headers, data } = await topic.waitForOutcome(clientId, sessionId)
    expect(headers.ce_type).toBe('backchannel-logout-sent')
    expect(data).toMatchObject({ issuer, status: 204, attempts: 1 })
  }
}

test('who signs out at one issuer is signed out of its applications, and of those of no other', async () => {
  const [a, b] = realms
  expect(a.provider.issuer).not.toBe(b.provider.issuer)
  const [atA, atB] = [await signedIn(a, 'alice'), await signedIn(b, 'alice')]

  await a.provider.signOutUser('alice')
  await expectSent(a, atA.sessionId)
  expect([await atA.isAt(), await atB.isAt()]).toEqual([[], ['shop', 'wiki']])

  await b.provider.terminateSession(atB.sessionId)
  await expectSent(b, atB.sessionId)
  expect(await atB.isAt()).toEqual([])
})

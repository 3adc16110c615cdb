import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { Browser } from '../support/identity/browser.ts'
import { type IdentityProvider, startIssuers } from '../support/identity/provider.ts'
import { type RelyingParty, startRelyingParty } from '../support/identity/relying-party.ts'
import { type RelayProcess, startRelay } from '../support/relay-process.ts'
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
let relay: RelayProcess
/** Puts the keys of an issuer where the relay reads those of another one. */
let exchangeKeys: (of: Realm, by: Realm) => Promise<void>
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
  exchangeKeys = async ({ provider }, by) => {
    const file = join(scratch.path, `${providers.indexOf(provider)}.json`)
    await replaceFile(file, JSON.stringify(by.provider.privateKeys))
  }
  for (const realm of realms) await exchangeKeys(realm, realm)
  const file = join(scratch.path, 'issuers.yaml')
  await replaceFile(file, JSON.stringify({ issuers }))
  relay = await startRelay({
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
      SIGNING_KEYS_RELOAD_MS: '200',
      RETRY_DOUBTFUL_DELAYS_MS: Array(30).fill('1000').join(),
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

test('a sign-out everywhere at one issuer ends every session of the user there, and none of the same user at the other', async () => {
  const [a, b] = realms
  const [laptop, phone, atB] = [
    await signedIn(a, 'carol'),
    await signedIn(a, 'carol'),
    await signedIn(b, 'carol'),
  ]
  expect(phone.sessionId).not.toBe(laptop.sessionId)

  await a.provider.signOutUser('carol')
  for (const { sessionId } of [laptop, phone]) await expectSent(a, sessionId)
  expect([await laptop.isAt(), await phone.isAt(), await atB.isAt()]).toEqual([[], [], ['shop', 'wiki']])

  await b.provider.signOutUser('carol')
  await expectSent(b, atB.sessionId)
  expect(await atB.isAt()).toEqual([])
})

test('with the keys of the other issuer its RPs would refuse: each has a key of its own under the one name', async () => {
  const [a, b] = realms
  const [keysOfA, keysOfB] = [a, b].map(({ provider: { privateKeys } }) => privateKeys.keys)
  expect(keysOfA?.map(({ kid }) => kid)).toEqual(keysOfB?.map(({ kid }) => kid))
  const { sessionId, isAt } = await signedIn(b, 'dave')

  await exchangeKeys(b, a)
  await relay.waitForLog(({ msg }) => msg === 'signing keys reloaded')
  await b.provider.terminateSession(sessionId)
  await relay.waitForLog((line) => line.session === sessionId && line.verdict === 'doubtful')
  expect(await isAt()).toEqual(['shop', 'wiki'])

  await exchangeKeys(b, b)
  for (const clientId of ['shop', 'wiki']) {
    const { data } = await topic.waitForOutcome(clientId, sessionId)
    expect(data).toMatchObject({ issuer: b.provider.issuer, status: 204 })
  }
  expect(await isAt()).toEqual([])
})

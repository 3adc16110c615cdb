import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { codeOf } from '../../src/lib/errors.ts'
import { relayLogouts } from '../../src/node-oidc-provider/relay-logouts.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { Browser } from '../support/identity/browser.ts'
import { createOidcProvider } from '../support/identity/create-oidc-provider.ts'
import { type Platform, relayOptions, startPlatform } from '../support/identity/platform.ts'
import { providerKey, startProvider } from '../support/identity/provider.ts'
import { startRelyingParty } from '../support/identity/relying-party.ts'
import { launchRelay } from '../support/relay-process.ts'
import { TopicLog } from '../support/topic-log.ts'

// What the relay does with the records of the entry, the other files of this folder show.

const backends = { kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') }
const stack = new AsyncDisposableStack()
let platform: Platform

beforeAll(async () => {
  platform = await startPlatform(backends.kafkaBrokers, `e2e-${crypto.randomUUID()}`)
  stack.defer(() => platform.stop())
})
afterAll(() => stack.disposeAsync())

const recordsOf = (sessionId: string) =>
  platform.topic.records
    .filter(({ key }) => key === sessionId)
    .map(({ headers, data }) => [headers.ce_type, data.clientId])

test('the provider itself tells nobody; what it published is enough for a relay that comes later', async () => {
  const { provider, shop, wiki, topic } = platform
  const alice = new Browser()
  await alice.signIn(shop, 'alice')
  await alice.signIn(wiki, 'alice')
  const [sessionId = ''] = provider.sessionsOf('alice')
  // Shop forgets her by itself. The provider would have told Wiki before it answers.
  await alice.signOut(shop)
  expect(provider.sessionsOf('alice')).toEqual([])
  expect(await alice.isSignedIn(wiki)).toBe(true)
  await topic.caughtUp()
  expect(recordsOf(sessionId)).toEqual([
    ['backchannel-logout-registered', 'shop'],
    ['backchannel-logout-registered', 'wiki'],
    ['session-terminated', undefined],
  ])

  stack.use(await launchRelay(relayOptions(platform, backends, {})))
  await eventually(async () => expect(await alice.isSignedIn(wiki)).toBe(false))
})

test('an RP can be logged out from the moment it is logged in', async () => {
  const { provider, shop, topic } = platform
  const bob = new Browser()
  await bob.signIn(shop, 'bob')
  // Nothing is waited for in between.
  const [sessionId = ''] = provider.sessionsOf('bob')
  await provider.terminateSession(sessionId)
  const { headers } = await topic.waitForOutcome('shop', sessionId)
  expect(headers.ce_type).toBe('backchannel-logout-sent')
  expect(await bob.isSignedIn(shop)).toBe(false)
})

test('what Kafka does not take waits until it does, in its order', async () => {
  const name = `e2e-${crypto.randomUUID()}`
  const { kafkaBrokers } = backends
  await using after = new AsyncDisposableStack()
  const provider = await startProvider({ kafkaBrokers, topic: name, onError: () => undefined })
  after.defer(() => provider.stop())
  const shop = await startRelyingParty({ provider, clientId: 'shop', name: 'Shop' })
  after.defer(() => shop.stop())
  const dave = new Browser()
  await dave.signIn(shop, 'dave')
  await dave.signOut(shop)
  // There was no such topic.
  const topic = await TopicLog.create(kafkaBrokers, name)
  after.defer(() => topic.remove())
  await topic.waitFor(({ headers }) => headers.ce_type === 'session-terminated')
  const types = topic.records.map(({ headers }) => headers.ce_type)
  expect([...new Set(types)]).toEqual(['backchannel-logout-registered', 'session-terminated'])
})

test('a record that Kafka refuses for good holds up none behind it, of its session or of another', async () => {
  const name = `e2e-${crypto.randomUUID()}`
  const { kafkaBrokers } = backends
  const topic = await TopicLog.create(kafkaBrokers, name, { config: { 'max.message.bytes': '1000' } })
  const errors: Error[] = []
  const provider = createOidcProvider('https://login.test.example', { keys: [providerKey()] })
  const logouts = await relayLogouts(provider, {
    ...{ brokers: kafkaBrokers.split(','), topic: name, timeoutMs: 30_000 },
    onError: (error) => errors.push(error),
  })
  try {
    const results = await Promise.all([
      logouts.sessionEnded('s-1', 'erin', 'x'.repeat(1_024)),
      logouts.sessionEnded('s-1', 'erin'),
      logouts.signedOut('frank'),
    ])
    expect(results).toEqual(['lost', 'published', 'published'])
    expect(await logouts.sessionEnded('s-2', 'erin')).toBe('published')
    expect(errors.map(codeOf)).toEqual(['LR_RECORD_LOST'])
    await topic.caughtUp()
    expect(topic.records.map(({ key }) => key).sort()).toEqual(['frank', 's-1', 's-2'])
  } finally {
    await logouts.close()
    await topic.remove()
  }
})

test('without Kafka users log in and out as ever, and each record that waits is told', async () => {
  const errors: Error[] = []
  const provider = await startProvider({
    kafkaBrokers: `127.0.0.1:${await freePort()}`,
    topic: 'session-events',
    onError: (error) => errors.push(error),
  })
  const shop = await startRelyingParty({ provider, clientId: 'shop', name: 'Shop' })
  try {
    const carol = new Browser()
    await carol.signIn(shop, 'carol')
    await carol.signOut(shop)
    const told = errors.map(({ message }) => message).join('\n')
    for (const part of [
      'Kafka cannot be reached',
      'backchannel-logout-registered of',
      'session-terminated of',
    ])
      expect(told).toContain(part)
  } finally {
    await shop.stop()
    await provider.stop()
  }
  expect(errors.filter((error) => 'code' in error && error.code === 'LR_RECORD_LOST')).toHaveLength(2)
})

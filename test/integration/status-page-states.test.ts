import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, type TestContext, test } from 'vitest'
import type { FailureRow } from '../../src/status/failure-rows.ts'
import { type Headline, headline } from '../../src/status/headline.ts'
import { headlineFacts } from '../../src/status/headline-facts.ts'
import type { RelyingPartyRow } from '../../src/status/relying-party-rows.ts'
import type { StatusSnapshot } from '../../src/status/status-snapshot.ts'
import { withheldOf } from '../../src/status/withheld.ts'
import { startRedisServer } from '../stack/redis-server.ts'
import { lowContrasts } from '../support/contrast.ts'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RegistrationInput, RelaySite } from '../support/relay-site.ts'
import { looks, StatusBrowser } from '../support/status-browser.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { openSite } from './open-site.ts'

/** Words of the libraries that talk to Redis and Kafka. */
const LIBRARY_WORDS = /maxRetriesPerRequest|enableOfflineQueue|KafkaJS|\(key: \d+, version/
/** Where to put a picture of every state in every look; none are made without it. */
const PICTURES = process.env.STATUS_PICTURES
/** Every look is what another test is about. */
const seen =
  PICTURES === undefined
    ? (['light desktop', 'dark phone'] as const)
    : (Object.keys(looks) as (keyof typeof looks)[])

let browser: StatusBrowser
let site: RelaySite

beforeAll(async () => {
  browser = await StatusBrowser.launch()
}, 600_000)
afterEach(async () => {
  expect(await browser.closePages()).toEqual([])
  await site?.close()
})
afterAll(() => browser.close())

interface State {
  readonly relay: RelayProcess
  readonly kind: Headline['kind']
  /** What must be read without scrolling. */
  readonly firstScreen: readonly string[]
  /** Shown instead of what the relay reports. */
  readonly served?: StatusSnapshot
}

/** It is told in the first screen, fits and can be read in every look, and names neither users nor the libraries. */
async function look(context: TestContext, name: string, { relay, kind, firstScreen, served }: State) {
  const viewer = await StatusViewer.open(relay)
  if (served === undefined) await viewer.waitFor((it) => it.headline.kind === kind)
  viewer.close()
  expect(viewer.text).not.toMatch(LIBRARY_WORDS)
  expect(JSON.stringify(relay.log)).not.toMatch(LIBRARY_WORDS)
  if (browser.missing !== undefined) return context.skip(browser.missing)
  for (const appearance of seen) {
    const options = looks[appearance]
    const page = await browser.open(relay.url, options, served)
    await page.locator(`#state-said[data-kind="${kind}"]`).waitFor({ state: 'attached' })
    expect(await page.locator('#mode').isVisible(), appearance).toBe(kind === 'shadow')
    for (const text of firstScreen) {
      const found = page.locator('.verdict, #reasons, .pills').getByText(text).first()
      await found.waitFor()
      const box = await found.boundingBox()
      expect((box?.y ?? Infinity) + (box?.height ?? 0), `${appearance}: ${text}`).toBeLessThan(
        options.viewport.height,
      )
    }
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), appearance).toBe(0)
    expect(await lowContrasts(page), appearance).toEqual([])
    if (PICTURES !== undefined) {
      mkdirSync(PICTURES, { recursive: true })
      await page.screenshot({ path: join(PICTURES, `${name} ${appearance}.png`), fullPage: true })
    }
    await page.close()
  }
}

async function end(...registrations: readonly RegistrationInput[]): Promise<void> {
  await site.registerInRedis(...registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
}

function many(count: number, clientId: string, answer: number): RegistrationInput[] {
  const uri = site.rps.uri(`/state/${clientId}`, answer)
  return Array.from({ length: count }, () =>
    site.registration(`/state/${clientId}`, { clientId, backchannelLogoutUri: uri }),
  )
}

async function snapshotOf(relay: RelayProcess, matches: (it: StatusSnapshot) => boolean) {
  const viewer = await StatusViewer.open(relay)
  const snapshot = await viewer.waitFor(matches)
  viewer.close()
  return snapshot
}

const sentIn = ({ throughput }: StatusSnapshot) =>
  throughput.outcomes.find(({ outcome }) => outcome === 'sent')?.total

const quietRow = { inFlight: 0, waiting: 0, breaker: 'closed' } as const

/** With what another part of the relay will have found, and the headline that follows from it. */
function amended(snapshot: StatusSnapshot, changes: Partial<StatusSnapshot>): StatusSnapshot {
  const changed = { ...snapshot, ...changes }
  return { ...changed, headline: headline(headlineFacts(changed, 0)) }
}

test('nothing yet', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay()
  await look(context, '1 nothing yet', {
    relay,
    kind: 'nothing-yet',
    firstScreen: ['No RP has been told yet'],
  })
})

test('well', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay()
  await end(...many(9, 'shop', 200), ...many(3, 'wiki', 204))
  await look(context, '2 well', { relay, kind: 'well', firstScreen: ['12 sent', 'all answered'] })
})

test('one RP is down', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '1000', RETRY_DEADLINE_MS: '86400000' })
  await end(...many(12, 'shop', 200), ...many(40, 'wiki', 503))
  await snapshotOf(relay, (it) => it.backlog.parked === 40 && sentIn(it) === 12)
  const firstScreen = ['wiki takes no logouts: HTTP 503', '40 parked', 'given up in 23']
  await look(context, '3 one RP down', { relay, kind: 'not-answering', firstScreen })
})

test('a mass failure', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay()
  await end(...many(300, 'wiki', 410))
  await snapshotOf(relay, ({ throughput }) => throughput.outcomes.some(({ total }) => total === 300))
  const firstScreen = ['0 sent, 300 failed', 'wiki', 'rejected', 'doctor --rp']
  await look(context, '4 mass failure', { relay, kind: 'failing', firstScreen })
})

test('the key is not published', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay({ RETRY_DEADLINE_MS: '86400000' })
  await end(...many(20, 'shop', 400), ...many(5, 'wiki', 400))
  const real = await snapshotOf(relay, ({ relyingParties }) => relyingParties.troubledTotal === 2)
  const served = amended(real, {
    findings: [
      ...real.findings,
      {
        check: 'key-published',
        severity: 'error',
        text: "kid test-rsa is not in the issuer's JWK set: RPs refuse every token that it signs",
        remedy: 'publish it: copy the key from /jwks.json of the relay to the JWK set of the issuer',
      },
    ],
  })
  const firstScreen = ['Kid test-rsa is not', 'key-published', 'publish it', 'shop refuses logouts: HTTP 400']
  await look(context, '5 key not published', { relay, kind: 'error', firstScreen, served })
})

test('records of an issuer that is not configured', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay()
  const issuer = 'https://wrong.example'
  const records = Array.from({ length: 9 }, (_, i) =>
    inputRecord('session-terminated', { issuer, sessionId: `s${i}` }),
  )
  await site.topic.publish(...records)
  await snapshotOf(relay, ({ throughput }) => throughput.read.ofUnknownIssuer === 9)
  const firstScreen = ['No RP has been told yet', '9 records skipped']
  await look(context, '6 wrong issuer', { relay, kind: 'nothing-yet', firstScreen })
})

test('Redis is frozen', async (context) => {
  const redis = await startRedisServer()
  try {
    site = await openSite({ topic: { partitions: 3 } })
    const relay = await site.startRelay({ REDIS_URL: redis.url })
    redis.freeze()
    await end(...many(3, 'shop', 200))
    await snapshotOf(relay, ({ failures, headline }) => failures.length > 0 && headline.kind === 'not-ready')
    const readyz = await (await fetch(`${relay.url}/readyz`)).text()
    expect(readyz).not.toMatch(LIBRARY_WORDS)
    await look(context, '7 Redis frozen', {
      relay,
      kind: 'not-ready',
      firstScreen: ['Not ready: Redis', 'redis'],
    })
  } finally {
    redis.thaw()
    await redis.stop()
  }
})

test('shadow mode', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay()
  await end(...many(9, 'shop', 200))
  const real = await snapshotOf(relay, (it) => sentIn(it) === 9)
  const outcomes = real.throughput.outcomes.map((it) => ({ ...it, outcome: 'shadowed' }))
  const served = amended(real, { mode: 'shadow', throughput: { ...real.throughput, outcomes } })
  const firstScreen = ['Shadow mode: nothing is sent', '9 would have been sent']
  await look(context, '8 shadow', { relay, kind: 'shadow', firstScreen, served })
  if (browser.missing !== undefined) return
  const page = await browser.open(relay.url, looks['dark phone'], served)
  await page.locator('#figures').getByText('Shadowed per second').waitFor()
  expect(await page.locator('#figures').getByText('Sent per second').count()).toBe(0)
  expect(await page.locator('#curve-sent').textContent()).toBe('shadowed')
})

test('a client is paused: nothing is late, and it is said what waits for whom', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  // By another replica, before this one is started.
  const other = await site.startRelay({ RETRY_DEADLINE_MS: '2000' })
  await site.topic.publish(inputRecord('client-configured', { clientId: 'wiki', state: 'paused' }))
  await eventually(async () => expect(await site.redisKeys('client-states')).toHaveLength(1))
  await end(...many(7, 'wiki', 200))
  await snapshotOf(other, (it) => it.backlog.parked === 7)
  await other.stop()
  const relay = await site.startRelay({ RETRY_DEADLINE_MS: '2000' })
  await end(...many(4, 'shop', 200))
  const real = await snapshotOf(relay, (it) => it.backlog.parked === 7 && sentIn(it) === 4)
  expect(real.relyingParties.rows).toEqual([
    { clientId: 'wiki', state: 'paused', inFlight: 0, waiting: 0, parked: 7, breaker: 'closed' },
  ])
  const firstScreen = ['4 sent', 'all answered', '7 wait for wiki, which is paused']
  await look(context, '9 paused', { relay, kind: 'well', firstScreen })
})

test('a client is retired: what was owed to it is told, and calls for nobody', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '1000', RETRY_DEADLINE_MS: '86400000' })
  await end(...many(4, 'shop', 200), ...many(6, 'wiki', 503))
  await snapshotOf(relay, (it) => it.backlog.parked === 6 && sentIn(it) === 4)
  await site.topic.publish(inputRecord('client-configured', { clientId: 'wiki', state: 'retired' }))
  await snapshotOf(relay, ({ throughput }) => throughput.outcomes.some(({ reason }) => reason === 'retired'))
  const real = await snapshotOf(relay, ({ relyingParties }) => relyingParties.total === 0)
  expect(real).toMatchObject({ failedBy: [], relyingParties: { silent: 0 } })
  await look(context, '10 retired', { relay, kind: 'well', firstScreen: ['4 sent', 'all answered'] })
})

test('what is parked for an issuer for which nothing is sent here is told first, with its remedy', async (context) => {
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '1000', RETRY_DEADLINE_MS: '86400000' })
  await end(...many(4, 'shop', 200), ...many(9, 'wiki', 503))
  const real = await snapshotOf(relay, (it) => it.backlog.parked === 9 && sentIn(it) === 4)
  const issuer = 'https://a-tenant-with-a-long-name.login.example.com/realms/former'
  const row = { clientId: 'wiki', issuer, parked: 9, withheld: 'disabled', ...quietRow } as const
  const served = amended(real, {
    issuer: '2 issuers',
    relyingParties: {
      ...real.relyingParties,
      ...{ rows: [row], total: 1, silent: 0, troubled: [], troubledTotal: 0 },
      withheld: withheldOf([{ issuer, why: 'disabled', parked: 9 }]),
    },
    findings: [
      {
        check: 'key-published',
        about: `${issuer} kid-1`,
        severity: 'warning',
        text: "kid kid-1 is not in the issuer's JWK set: RPs refuse every token of this key",
        remedy: 'publish it: copy the key from /jwks.json?issuer=https%3A%2F%2Fa of the relay',
      },
    ],
  })
  const firstScreen = ['9 parked deliveries wait', 'is disabled here', 'enabled: true']
  await look(context, '12 withheld', { relay, kind: 'withheld', firstScreen, served })
})

test('what is listed can be narrowed to one of several issuers', async (context) => {
  if (browser.missing !== undefined) return context.skip(browser.missing)
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '1000' })
  await end(...many(9, 'shop', 503), ...many(1, 'mail', 410))
  const real = await snapshotOf(
    relay,
    ({ failures, relyingParties }) => relyingParties.troubledTotal === 1 && failures.length > 0,
  )
  const [row] = real.relyingParties.rows as [RelyingPartyRow]
  const [failure] = real.failures as [FailureRow]
  const issuers = Array.from({ length: 5 }, (_, i) => `https://tenant-${i}.login.example.com`)
  const relyingParties = {
    ...real.relyingParties,
    rows: issuers.map((issuer) => ({ ...row, issuer })),
    total: 5,
    issuers: issuers.map((issuer, i) => ({
      issuer,
      silent: 5 - i,
      parked: 9,
      busy: 0,
      deadlineMs: real.atMs + 60_000,
    })),
    issuersTotal: 57,
  }
  const failures = issuers.map((issuer) => ({ ...failure, issuer }))
  const served = amended(real, { issuer: '5 issuers', relyingParties, failures })
  for (const appearance of seen) {
    const page = await browser.open(relay.url, looks[appearance], served)
    const listed = async () =>
      Promise.all(['#rps tbody tr', '#failures tbody tr'].map((it) => page.locator(it).count()))
    await eventually(async () => expect(await listed()).toEqual([5, 5]))
    expect(await page.locator('#issuers tbody tr').allTextContents()).toEqual(
      issuers.map((it) => expect.stringContaining(it)),
    )
    expect(await page.locator('#issuers-note').textContent()).toContain('57')
    await page.getByLabel('Issuer', { exact: true }).selectOption(issuers[3] as string)
    await eventually(async () => expect(await listed()).toEqual([1, 1]))
    expect(await page.locator('#rps tbody').textContent()).toContain(issuers[3])
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), appearance).toBe(0)
    expect(await lowContrasts(page), appearance).toEqual([])
    if (PICTURES !== undefined)
      await page.screenshot({ path: join(PICTURES, `11 five issuers ${appearance}.png`), fullPage: true })
    await page.getByLabel('Issuer', { exact: true }).selectOption('')
    await eventually(async () => expect(await listed()).toEqual([5, 5]))
    await page.close()
  }
})

test('with several issuers the issuer stands beside the client', async (context) => {
  if (browser.missing !== undefined) return context.skip(browser.missing)
  site = await openSite({ topic: { partitions: 3 } })
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '1000' })
  await end(...many(9, 'shop', 503))
  const real = await snapshotOf(relay, ({ relyingParties }) => relyingParties.troubledTotal === 1)
  const { rows, troubled } = real.relyingParties
  const issuer = 'https://tenant-17.login.example.com'
  const served = amended(real, {
    issuer: '2 issuers',
    relyingParties: {
      ...real.relyingParties,
      rows: rows.map((it) => ({ ...it, issuer })),
      troubled: troubled.map((it) => ({ ...it, issuer })),
    },
  })
  const page = await browser.open(relay.url, looks['dark phone'], served)
  await page.locator('#rps').getByText(issuer).waitFor()
  await page.locator('#reasons').getByText(issuer).waitFor()
  await page.locator('#state-title').getByText('of tenant-17.login.example.com').waitFor()
})

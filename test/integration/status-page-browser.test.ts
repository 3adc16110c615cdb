import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { lowContrasts } from '../support/contrast.ts'
import { freePort } from '../support/free-port.ts'
import { LateServer } from '../support/late-server.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { looks, StatusBrowser } from '../support/status-browser.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let browser: StatusBrowser

beforeAll(async () => {
  const [opened, found] = await Promise.all([openSite({ topic: { partitions: 2 } }), StatusBrowser.launch()])
  site = opened
  browser = found
  // Installing the browser may take minutes where the network is slow.
}, 600_000)
afterEach(async () => expect(await browser.closePages()).toEqual([]))
afterAll(async () => {
  await browser.close()
  await site.close()
})

const kind = (page: Page, name: string) =>
  page.locator(`#state-said[data-kind="${name}"]`).waitFor({ state: 'attached' })

const EVIL = '<img src=x onerror="document.title=\'taken\'">'
const LONG = `client-${'x'.repeat(93)}`

/** One fine RP, and two that do not answer, whose ids are hard to show. */
async function makeTrouble(): Promise<void> {
  site.rps.uri('/page/dead', 503)
  const dead = { backchannelLogoutUri: site.rps.uri('/page/dead') }
  const registrations = [
    ...Array.from({ length: 12 }, () => site.registration('/', { ...dead, clientId: EVIL })),
    ...Array.from({ length: 8 }, () => site.registration('/', { ...dead, clientId: LONG })),
    site.registration('/page/fine'),
    site.registration('/page/gone', { backchannelLogoutUri: site.rps.uri('/page/gone', 410) }),
  ]
  await site.registerInRedis(...registrations)
  await site.topic.publish(...registrations.map((it) => site.terminated(it)))
}

test('in light and dark, on a desktop and a phone: it is live, fits, can be read, and takes ids as text', async (context) => {
  if (browser.missing !== undefined) return context.skip(browser.missing)
  const relay = await site.startRelay({ RETRY_MAX_ATTEMPTS: '1000' })
  await makeTrouble()
  for (const [look, options] of Object.entries(looks)) {
    const page = await browser.open(relay.url, options)
    await page.getByRole('rowheader', { name: EVIL }).waitFor()
    await page.getByRole('rowheader', { name: LONG }).waitFor()
    await page.getByText('rejected: HTTP 410').waitFor()
    await kind(page, 'failing')
    await page.locator('#reasons').getByText('HTTP 503').first().waitFor()
    const row = page.getByRole('row', { name: EVIL })
    expect(await row.getByRole('cell').nth(2).textContent(), look).toBe('12')
    expect(await row.textContent(), look).toMatch(/open|probing/)
    expect(await page.locator('img').count(), look).toBe(0)
    expect(await page.title(), look).toMatch(/^(\(!\) )?logout-relay$/)
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), look).toBe(0)
    expect(await lowContrasts(page), look).toEqual([])
  }
  await relay.stop()
})

test('large numbers and long codes fit on a phone', async (context) => {
  if (browser.missing !== undefined) return context.skip(browser.missing)
  const relay = await site.startRelay()
  const viewer = await StatusViewer.open(relay)
  const real = await viewer.waitFor(({ partitions }) => partitions.length > 0)
  viewer.close()
  const problem = { host: `${'host.'.repeat(20)}example:65535`, error: 'UND_ERR_CONNECT_TIMEOUT', atMs: 0 }
  const row = { clientId: LONG, inFlight: 9_999, waiting: 9_999, parked: 9_999_999, nextDueMs: 0 }
  const large = {
    ...real,
    load: { ...real.load, unsettled: 1_000_000, unsettledMax: 1_000_000, outcomesPending: 1_000_000 },
    relyingParties: {
      rows: [{ ...row, breaker: 'closed', problem }],
      troubled: [{ ...row, breaker: 'closed', problem, symptom: LONG, remedy: LONG }],
      ...{ total: 20_000, silent: 20_000, troubledTotal: 20_000 },
      withheld: { issuers: [{ why: 'misnamed', text: LONG, remedy: LONG }] },
    },
    partitions: [
      { topic: 't'.repeat(249), partition: 9_999, lag: 1e12, settledOffset: 1e15, openRecords: 9_999 },
    ],
    partitionsTotal: 1_000_000,
  }
  const page = await browser.open(relay.url, looks['light phone'], large)
  await page.getByText('1,000,000,000,000,000').waitFor()
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
  // In one line each.
  const heights = await page.evaluate('[...document.querySelectorAll(".value")].map((it) => it.offsetHeight)')
  expect(new Set(heights as number[]).size).toBe(1)
  await relay.stop()
})

test('before anything has happened every part says so', async (context) => {
  if (browser.missing !== undefined) return context.skip(browser.missing)
  const empty = await openSite()
  try {
    const relay = await empty.startRelay()
    const page = await browser.open(relay.url)
    for (const text of [
      'No trigger was read.',
      'nothing is parked.',
      'None so far.',
      'No delivery has ended',
    ]) {
      await page.locator('main :not(.unseen)').getByText(text).first().waitFor()
    }
    await relay.stop()
  } finally {
    await empty.close()
  }
})

test('it says when Redis is away, when the relay is gone, and comes back by itself', async (context) => {
  if (browser.missing !== undefined) return context.skip(browser.missing)
  const redis = new LateServer(await freePort(), inject('redisUrl'))
  await redis.open()
  try {
    const env = { PORT: String(await freePort()), REDIS_URL: `redis://127.0.0.1:${redis.port}` }
    const relay = await site.startRelay(env)
    const page = await browser.open(relay.url)
    await page.locator('#state-title', { hasNotText: 'Not ready' }).waitFor()
    await redis.close()
    await kind(page, 'not-ready')
    await page.locator('#state-title').getByText('Redis is not connected').waitFor()
    await page
      .getByText(/as of .*: Redis does not answer/)
      .first()
      .waitFor()
    await redis.open()
    await relay.kill()
    await page.locator('#link', { hasText: 'reconnecting' }).waitFor()
    expect(await page.locator('main.old').count()).toBe(1)
    expect(await lowContrasts(page)).toEqual([])
    await site.startRelay(env)
    await page.waitForSelector('#link.good')
    await page.locator('#state-said:not([data-kind="not-ready"])').waitFor({ state: 'attached' })
    expect(await page.locator('main.old').count()).toBe(0)
  } finally {
    await redis.close()
  }
})

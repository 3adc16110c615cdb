import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Browser } from '../support/identity/browser.ts'
import { type Platform, relayOptions, startPlatform } from '../support/identity/platform.ts'
import { type RelayProcess, startRelay } from '../support/relay-process.ts'

const backends = { kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') }
/** Impatient, so that a test waits for conditions and not for defaults. */
const relaySettings = { RETRY_BASE_DELAY_MS: '100', RETRY_MAX_DELAY_MS: '500', RETRY_POLL_MS: '50' }

describe('real relying parties', () => {
  let platform: Platform
  let relay: RelayProcess

  beforeAll(async () => {
    platform = await startPlatform(backends.kafkaBrokers, `e2e-${crypto.randomUUID()}`)
    relay = await startRelay(relayOptions(platform, backends, relaySettings))
  })

  afterAll(async () => {
    await relay?.stop()
    await platform?.stop()
  })

  /** One browser, one session at the provider, both RPs. */
  async function signInAtBoth(userId: string): Promise<{ browser: Browser; sessionId: string }> {
    const { shop, wiki, provider } = platform
    const browser = new Browser()
    await browser.signIn(shop, userId)
    await browser.signIn(wiki, userId)
    expect(await signedInAt(browser)).toEqual(['shop', 'wiki'])
    const sessionId = provider.sessionsOf(userId).at(-1)
    if (sessionId === undefined) throw new Error(`${userId} has no session`)
    return { browser, sessionId }
  }

  async function signedInAt(browser: Browser): Promise<string[]> {
    const { shop, wiki } = platform
    const signedIn: string[] = []
    for (const rp of [shop, wiki]) if (await browser.isSignedIn(rp)) signedIn.push(rp.clientId)
    return signedIn
  }

  async function sent(sessionId: string, clientId: string) {
    const { headers, data } = await platform.topic.waitForOutcome(clientId, sessionId)
    expect(headers.ce_type).toBe('backchannel-logout-sent')
    return data
  }

  async function sentToBoth(sessionId: string) {
    return Promise.all([sent(sessionId, 'shop'), sent(sessionId, 'wiki')])
  }

  test('a terminated session ends at every RP, and no other session does', async () => {
    const alice = await signInAtBoth('alice')
    const bob = await signInAtBoth('bob')

    await platform.provider.terminateSession(alice.sessionId)
    const outcomes = await sentToBoth(alice.sessionId)

    expect(await signedInAt(alice.browser)).toEqual([])
    expect(await signedInAt(bob.browser)).toEqual(['shop', 'wiki'])
    // 204: the RP verified signature, issuer, audience, time and event claim, and stored the logout.
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 204, attempts: 1, issuer: platform.provider.issuer })
    }
    // Each RP was told the `sid` of its own ID token.
    expect(new Set(outcomes.map(({ sid }) => sid)).size).toBe(2)
  })

  test('a user who signed out without naming a session is signed out of every session', async () => {
    const laptop = await signInAtBoth('carol')
    const phone = await signInAtBoth('carol')
    const other = await signInAtBoth('dave')
    expect(phone.sessionId).not.toBe(laptop.sessionId)

    await platform.provider.signOutUser('carol')
    // An RP that ends sessions by `sub` would hide a missing token, so the outcomes are counted as well.
    await sentToBoth(laptop.sessionId)
    await sentToBoth(phone.sessionId)

    expect(await signedInAt(laptop.browser)).toEqual([])
    expect(await signedInAt(phone.browser)).toEqual([])
    expect(await signedInAt(other.browser)).toEqual(['shop', 'wiki'])
  })

  test('a logout that the user starts at one RP reaches the other', async () => {
    const { browser, sessionId } = await signInAtBoth('erin')

    await browser.signOut(platform.shop)
    await sent(sessionId, 'wiki')

    expect(await signedInAt(browser)).toEqual([])
  })

  test('an RP that was down gets the logout when it is back, and the other does not wait for it', async () => {
    const { browser, sessionId } = await signInAtBoth('frank')
    await platform.wiki.goDown()
    try {
      await platform.provider.terminateSession(sessionId)
      await sent(sessionId, 'shop')
      expect(await browser.isSignedIn(platform.shop)).toBe(false)
      await relay.waitForLog((line) => line.session === sessionId && line.verdict === 'retry')
    } finally {
      await platform.wiki.comeBack()
    }

    const late = await sent(sessionId, 'wiki')

    expect(late.status).toBe(204)
    expect(late.attempts).toBeGreaterThan(1)
    expect(await signedInAt(browser)).toEqual([])
  })

  test('the same user can sign in again after a logout, and is logged out again', async () => {
    const first = await signInAtBoth('grace')
    await platform.provider.terminateSession(first.sessionId)
    await sentToBoth(first.sessionId)

    await first.browser.signIn(platform.shop, 'grace')
    expect(await signedInAt(first.browser)).toEqual(['shop'])
    const [second] = platform.provider.sessionsOf('grace')
    if (second === undefined) throw new Error('grace has no second session')
    await platform.provider.terminateSession(second)
    await sent(second, 'shop')

    expect(await signedInAt(first.browser)).toEqual([])
  })
})

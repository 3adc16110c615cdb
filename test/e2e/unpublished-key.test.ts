import { expect, inject, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { Browser } from '../support/identity/browser.ts'
import { relayOptions, startPlatform } from '../support/identity/platform.ts'
import { providerKey } from '../support/identity/provider.ts'
import { launchRelay, type RelayProcess } from '../support/relay-process.ts'
import { replaceFile } from '../support/signing-key-file.ts'

/** Resolves when so many attempts were refused. */
const refusals = ({ log }: RelayProcess, count: number) =>
  eventually(() =>
    expect(
      log.filter(({ msg, status }) => msg === 'attempt' && status === 400).length,
    ).toBeGreaterThanOrEqual(count),
  )

// The counterpart of the other file: were the RP one that accepts anything, its tests would prove nothing.
test('a logout that is signed with a key of somebody else ends no session; with the right one it does', async () => {
  const backends = { kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') }
  const platform = await startPlatform(backends.kafkaBrokers, `e2e-${crypto.randomUUID()}`)
  try {
    await replaceFile(platform.signingKeysFile, JSON.stringify({ keys: [providerKey()] }))
    const settings = { RETRY_DOUBTFUL_DELAYS_MS: '100', CHECK_INTERVAL_MS: '200' }
    await using relay = await launchRelay(relayOptions(platform, backends, settings))
    // Told at once, and not ready; what it has to do it does all the same, as other keys might be right.
    await relay.waitForLog(({ check, level }) => check === 'key-published' && level === 'error')
    const browser = new Browser()
    await browser.signIn(platform.shop, 'mallory')
    const [sessionId = ''] = platform.provider.sessionsOf('mallory')

    await platform.provider.terminateSession(sessionId)
    // One refusal is doubted; the second would be the end if the relay did not know better.
    await refusals(relay, 3)
    expect(await browser.isSignedIn(platform.shop)).toBe(true)
    expect(platform.topic.outcomes).toEqual([])

    await replaceFile(platform.signingKeysFile, JSON.stringify(platform.provider.privateKeys))
    const { headers } = await platform.topic.waitForOutcome('shop', sessionId)
    expect(headers.ce_type).toBe('backchannel-logout-sent')
    expect(await browser.isSignedIn(platform.shop)).toBe(false)
  } finally {
    await platform.stop()
  }
})

import { expect, inject, test } from 'vitest'
import { Browser } from '../support/identity/browser.ts'
import { relayOptions, startPlatform } from '../support/identity/platform.ts'
import { providerKey } from '../support/identity/provider.ts'
import { startRelay } from '../support/relay-process.ts'
import { replaceFile } from '../support/signing-key-file.ts'

// The counterpart of the other file: were the RP one that accepts anything, its tests would prove nothing.
test('a logout that is signed with a key of somebody else ends no session and is reported as rejected', async () => {
  const backends = { kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') }
  const platform = await startPlatform(backends.kafkaBrokers, `e2e-${crypto.randomUUID()}`)
  try {
    await replaceFile(platform.signingKeysFile, JSON.stringify({ keys: [providerKey()] }))
    const settings = { RETRY_DOUBTFUL_DELAYS_MS: '0' }
    await using _relay = await startRelay(relayOptions(platform, backends, settings))
    const browser = new Browser()
    await browser.signIn(platform.shop, 'mallory')
    const [sessionId = ''] = platform.provider.sessionsOf('mallory')

    await platform.provider.terminateSession(sessionId)
    const { headers, data } = await platform.topic.waitForOutcome('shop', sessionId)

    expect(headers.ce_type).toBe('backchannel-logout-failed')
    expect(data).toMatchObject({ reason: 'rejected', status: 400 })
    expect(await browser.isSignedIn(platform.shop)).toBe(true)
  } finally {
    await platform.stop()
  }
})

import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startRelyingParty } from '../support/identity/relying-party.ts'
import { inputRecord } from '../support/input-record.ts'
import { IssuerServer } from '../support/issuer-server.ts'
import { relayCommand } from '../support/relay-command.ts'
import { end } from '../support/relying-party-server.ts'
import { privateJwk } from '../support/signing-key-file.ts'
import { Drill } from './drill.ts'

test('LogoutRelayKeyNotPublished: a new key that the issuer does not show', async () => {
  await using issuer = await IssuerServer.listen()
  const env = {
    ISSUER: issuer.url,
    CHECK_INTERVAL_MS: '500',
    SIGNING_KEYS_PUBLISHED_CHECK_MS: '500',
    RETRY_DOUBTFUL_DELAYS_MS: '100',
  }
  await using drill = await Drill.open('LogoutRelayKeyNotPublished', { env })
  const { site } = drill
  issuer.keys = site.publicJwks().keys
  await drill.startRelay()
  await site.writeKeys(privateJwk('rsa', 'new-key'))
  const { signs } = (await drill.fires({ kid: 'new-key' })).labels
  expect(signs).toBe('now')

  // An RP that knows what its issuer publishes, and no more.
  const isPublished = (kid: unknown) => (issuer.keys as { kid: string }[]).some((key) => key.kid === kid)
  const uri = site.rps.uri('/verifies', ({ header }, response) =>
    end(response, isPublished(header.kid) ? 200 : 400),
  )
  const registration = site.registration('/verifies', { issuer: issuer.url, backchannelLogoutUri: uri })
  const { clientId, sessionId } = registration
  await site.topic.publish(
    inputRecord('backchannel-logout-registered', registration),
    inputRecord('session-terminated', { issuer: issuer.url, sessionId }),
  )
  // One refusal would be doubted, if it counted.
  await site.rps.waitFor('/verifies', 3)
  expect(site.topic.outcomes).toEqual([])

  const looked = await drill.run('logout-relay doctor', {}, '--json')
  expect(looked.rows.find(({ check }) => check === 'key-published')).toMatchObject({ severity: 'error' })
  const issuerUrl = { issuer: issuer.url }
  const metadata = await drill.curl('curl <issuer>/.well-known/openid-configuration', issuerUrl)
  expect(await metadata.json()).toMatchObject({ jwks_uri: `${issuer.url}/keys` })

  const shown = (await (await fetch(`${drill.url()}/jwks.json`)).json()) as { keys: object[] }
  issuer.keys = shown.keys
  expect((await site.topic.waitForOutcome(clientId, sessionId)).data).toMatchObject({ status: 200 })
  const replay = await drill.run('logout-relay replay --failed --from <time>', { time: '10m' })
  expect(replay.status, replay.stderr).toBe(0)
  await drill.resolves()
})

test('Key rotation: a real RP caches keys, and takes every logout before, while and after the new one signs', async () => {
  await using issuer = await IssuerServer.listen()
  const env = { ISSUER: issuer.url, SIGNING_KEYS_PUBLISHED_CHECK_MS: '500', CHECK_INTERVAL_MS: '500' }
  await using drill = await Drill.open('Key rotation', { env })
  const { site } = drill
  const shop = await startRelyingParty({
    provider: { issuer: issuer.url, register: async () => undefined },
    clientId: 'shop',
    name: 'Shop',
  })
  try {
    await site.writeKeys(privateJwk('rsa', 'old'))
    issuer.keys = site.publicJwks().keys
    const relay = await drill.startRelay()
    const logout = async () => {
      const registration = site.registration('/', {
        issuer: issuer.url,
        clientId: 'shop',
        backchannelLogoutUri: shop.backchannelLogoutUri,
      })
      const { sessionId } = registration
      await site.topic.publish(
        inputRecord('backchannel-logout-registered', registration),
        inputRecord('session-terminated', { issuer: issuer.url, sessionId }),
      )
      // The first attempt of each: no retry hides that the RP did not know a key.
      const outcome = await site.topic.waitForOutcome('shop', sessionId)
      expect(outcome.data).toMatchObject({ status: 204, attempts: 1 })
    }
    await logout()
    // Longer than the RP waits before it reads a JWK set again for a key that it does not know.
    const rotated = await relayCommand(['keys', 'rotate', '--in', '35s'], site.commandEnvironment())
    expect(rotated, rotated.stderr).toMatchObject({ status: 0 })
    await relay.waitForLog(({ msg }) => msg === 'signing keys reloaded')
    issuer.keys = ((await (await fetch(`${drill.url()}/jwks.json`)).json()) as { keys: object[] }).keys
    await eventually(async () =>
      expect(
        await drill.metric('logout_relay_signing_key_published{signs="later"}', { signs: 'later' }),
      ).toBe(1),
    )
    const signing = async () => {
      const { rows } = await drill.run('logout-relay keys list', {}, '--json')
      return rows.filter(({ signs }) => signs === 'now')
    }
    while ((await signing())[0]?.kid === 'old') await logout()
    // Some more, behind one another.
    for (let i = 0; i < 20; i++) await logout()
    expect(await signing()).toEqual([expect.objectContaining({ published: 'yes' })])
  } finally {
    await shop.stop()
  }
})

test('LogoutRelayFaults: a key file that was overwritten with something else', async () => {
  await using drill = await Drill.open('LogoutRelayFaults')
  const { site } = drill
  const relay = await drill.startRelay()
  await writeFile(site.keysFile, 'this is no key')
  await drill.fires({ part: 'signing-keys' })
  await drill.loggedBy(relay, '"msg":"fault"', { part: 'signing-keys' })
  const registration = site.registration('/former-key')
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  await site.topic.waitForOutcome(registration.clientId)
  expect(site.rps.at('/former-key')[0]?.header.kid).toBe('test-rsa')

  await site.writeKeys(privateJwk('rsa', 'mended'))
  await drill.resolves()
})

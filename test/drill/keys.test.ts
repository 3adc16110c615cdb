import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { inputRecord } from '../support/input-record.ts'
import { IssuerServer } from '../support/issuer-server.ts'
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

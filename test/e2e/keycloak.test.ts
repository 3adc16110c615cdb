import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { KeycloakSite } from '../platforms/keycloak/keycloak-site.ts'
import { missingForKafka } from '../stack/kafka-distribution.ts'

/** At the first time Keycloak is fetched, and built. */
const START_MS_MAX = 600_000
/** Keycloak needs what Kafka does where it is no container. */
const missing = await missingForKafka()
if (missing !== undefined) console.warn(`a real Keycloak is left out; install ${missing}`)

describe.skipIf(missing !== undefined)('a real Keycloak, with the configuration of its page', () => {
  let site: KeycloakSite

  beforeAll(async () => {
    site = await KeycloakSite.open({ kafkaBrokers: inject('kafkaBrokers'), redisUrl: inject('redisUrl') })
  }, START_MS_MAX)
  afterAll(() => site?.[Symbol.asyncDispose]())

  const arrive = async (name: string) => site.signIn('shop', name, await site.createUser('shop', name))

  test('logs a user out at each RP by an administrator, and nobody else', async () => {
    const [alice, bob] = [await arrive('alice'), await arrive('bob')]
    expect(await site.signedInAt(alice)).toEqual(['shop-web', 'wiki'])
    await site.keycloak.admin.logOut('shop', alice.userId)
    for (const { clientId } of site.rps.shop) {
      const { data } = await site.outcomes.waitForOutcome(clientId, alice.sessionId)
      expect(data).toMatchObject({ status: 204, issuer: site.keycloak.issuer('shop') })
    }
    expect(await site.signedInAt(alice)).toEqual([])
    expect(await site.signedInAt(bob)).toEqual(['shop-web', 'wiki'])
  })
})

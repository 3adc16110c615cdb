import { afterEach, beforeEach, test } from 'vitest'
import type { RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeEach(async () => {
  site = await openSite()
})
afterEach(() => site.close())

test('a list where a session belongs holds up its own logout only', async () => {
  await site.startRelay()
  const strange = site.registration('/strange')
  const fine = site.registration('/fine')
  await site.registerInRedis(fine)
  await site.redis.rpush(site.sessionKey(strange.sessionId), 'x')
  await site.topic.publish(site.terminated(strange))
  await site.topic.publish(site.terminated(fine))
  await site.topic.waitForOutcome(fine.clientId, fine.sessionId)
})

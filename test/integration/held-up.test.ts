import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { RegistrationInput, RelaySite } from '../support/relay-site.ts'
import { end, RelyingPartyServer } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

const HELD_LOGOUTS = 3
const WELL_RPS = 6
const WELL_LOGOUTS = 40

let site: RelaySite
/** Every address of 127.0.0.0/8 is a host of its own on it. */
let hosts: RelyingPartyServer

beforeEach(async () => {
  // No attempt ends by itself: whoever waits for one waits longer than this test does.
  site = await openSite({ env: { ATTEMPT_TIMEOUT_MS: '200000', RETRY_LEASE_MS: '300000' } })
  hosts = await RelyingPartyServer.listen('0.0.0.0')
})
afterEach(async () => {
  await site.close()
  await hosts.close()
})

test.each([
  { name: '300 RPs', rps: 300, hosts: 300 },
  { name: '300 RPs of one host', rps: 300, hosts: 1 },
  { name: '12 RPs with many logouts for each', rps: 12, hosts: 12, logouts: 150 },
])('$name that do not answer hold up nobody, and hear of everything once they do', async (held) => {
  const waiting: ServerResponse[] = []
  let isHolding = true
  const heldRegistrations = Array.from({ length: held.rps }, (_, rp) => {
    const path = `/held-${rp}`
    hosts.uri(path, (_request, response) => {
      if (isHolding) waiting.push(response)
      else end(response, 200)
    })
    const backchannelLogoutUri = `http://${addressOf(rp % held.hosts)}:${hosts.port}${path}`
    return registrationsAt(path, backchannelLogoutUri, held.logouts ?? HELD_LOGOUTS)
  }).flat()
  const wellRegistrations = Array.from({ length: WELL_RPS }, (_, rp) =>
    registrationsAt(`/well-${rp}`, site.rps.uri(`/well-${rp}`), WELL_LOGOUTS),
  ).flat()
  const all = mixed(heldRegistrations, wellRegistrations)
  await site.registerInRedis(...all)
  await site.startRelay()
  await site.topic.publish(...all.map((it) => site.terminated(it)))

  await eventually(() => expect(site.rps.requests.items).toHaveLength(wellRegistrations.length))
  expect(waiting.length).toBeGreaterThan(0)
  expect(site.topic.outcomes.filter(({ data }) => String(data.clientId).includes('held'))).toEqual([])

  isHolding = false
  for (const response of waiting) end(response, 200)
  await eventually(() => {
    const sent = site.topic.outcomes.filter(({ headers }) => headers.ce_type === 'backchannel-logout-sent')
    expect(sent).toHaveLength(all.length)
  })
  // Each of them once.
  expect(hosts.requests.items).toHaveLength(heldRegistrations.length)
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
})

function registrationsAt(path: string, backchannelLogoutUri: string, count: number): RegistrationInput[] {
  return Array.from({ length: count }, () =>
    site.registration(path, { sessionId: randomUUID(), backchannelLogoutUri, alg: 'ES256' }),
  )
}

function addressOf(host: number): string {
  return `127.1.${Math.floor(host / 250)}.${(host % 250) + 1}`
}

/** Spread over one another evenly. */
function mixed<T>(some: readonly T[], others: readonly T[]): T[] {
  const placed = [some, others].flatMap((list) => list.map((item, i) => ({ item, at: i / list.length })))
  return placed.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

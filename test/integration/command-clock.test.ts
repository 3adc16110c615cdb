import { afterEach, beforeEach, expect, test } from 'vitest'
import { relayCommand } from '../support/relay-command.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

const HOUR = 3_600_000
/** More than a deadline. */
const OFF = 48 * HOUR

let site: RelaySite
beforeEach(async () => {
  site = await openSite()
})
afterEach(() => site.close())

/** A command on a machine whose clock is wrong. */
function run(offMs: number, ...args: string[]) {
  const wrong = `const { now } = Date; Date.now = () => now() + ${offMs}`
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(wrong)}`
  return relayCommand(args, { ...site.commandEnvironment(), NODE_OPTIONS })
}

test.each([
  ['slow', -OFF],
  ['fast', OFF],
])('failed deliveries are tried again from a machine whose clock is %s by days', async (_, offMs) => {
  await site.startRelay({ RETRY_DOUBTFUL_DELAYS_MS: '0' })
  site.rps.uri('/refused', 400)
  const registration = site.registration('/refused')
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  const { data } = await site.topic.waitForOutcome(registration.clientId)
  expect(data).toMatchObject({ reason: 'rejected' })
  site.rps.uri('/refused', 200)
  const { rows, status } = await run(offMs, 'replay', '--from', '1h', '--failed', '--json')
  expect(rows.at(-1)).toMatchObject({ owed: 1, sent: 1, failed: 0 })
  expect(status).toBe(0)
})

test('a backlog is shown by the clock of Redis', async () => {
  await site.startRelay()
  site.rps.uri('/down', 503)
  const registration = site.registration('/down')
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  await site.rps.waitFor('/down', 2)
  const { stdout } = await run(OFF, 'backlog', 'list')
  expect(stdout).toContain(registration.clientId)
  expect(stdout).not.toMatch(/\b2 ?d|48 ?h/)
})

import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { relayCommand } from '../support/relay-command.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeEach(async () => {
  site = await openSite({ env: { ATTEMPT_TIMEOUT_MS: '2000', RETRY_LEASE_MS: '5000' } })
})
afterEach(() => site.close())

const replay = (...args: string[]) => relayCommand(['replay', '--json', ...args], site.commandEnvironment())

test('a dry run shows reason and deadline of what it would send; a name that nobody knows is no success', async () => {
  await site.startRelay()
  const [a, b] = ['a', 'b'].map((clientId) => site.registration(`/names/${clientId}`, { clientId }))
  if (a === undefined || b === undefined) throw new Error('there are two')
  await site.topic.publish(
    inputRecord('session-terminated', { issuer: ISSUER, sessionId: a.sessionId, reason: 'stolen' }),
    site.terminated(b),
  )
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  await site.registerInRedis(a, b)
  const names = ['--client', 'aa', '--session', 'nobody', '--user', 'nobody']
  const [dry, table, ...misspelt] = await Promise.all([
    replay('--since', '1h', '--reason', 'stolen', '--dry-run'),
    relayCommand(['replay', '--from', '1h', '--dry-run'], site.commandEnvironment()),
    replay('--from', '1h', '--dry-run', ...names),
    replay('--from', '1h', '--dry-run', ...names, '--failed'),
    replay('--from', '1h', '--dry-run', '--issuer', 'https://nobody.example'),
  ])
  expect(dry.rows.filter(({ step }) => step === 'owed')).toEqual([
    expect.objectContaining({ client: 'a', reason: 'stolen', deadline: expect.stringMatching(/Z$/) }),
  ])
  expect(table.stdout).toMatch(/^CLIENT .* REASON .* DEADLINE\n/)
  expect(table.stdout).toMatch(/^a +.* stolen +\d{4}-\S+Z +\d{4}-\S+Z$/m)
  for (const { status, stderr } of misspelt) {
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^logout-relay: error: .*nobody/m)])
  }
  for (const { stderr } of misspelt.slice(0, 2)) {
    for (const name of ['client aa', 'session nobody', 'user nobody']) expect(stderr).toContain(name)
  }

  expect((await replay('--from', '1h')).status).toBe(0)
  await eventually(async () => expect(await site.redisKeys('session:*')).toEqual([]))
  // The topic knows it, though Redis does not, and nothing is owed to it.
  expect(await replay('--from', '1h', '--client', 'a')).toMatchObject({ status: 0, stderr: '' })
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EgressGuard } from '../../src/egress/egress-guard.ts'
import type { AttemptResult } from '../../src/egress/sender.ts'
import { UndiciSender } from '../../src/egress/undici-sender.ts'
import { logoutEndpoint } from '../../src/events/logout-endpoint.ts'
import { emptyLogout } from '../../src/transports/backchannel-logout/backchannel-logout.ts'
import { type InputRecord, inputRecord } from '../support/input-record.ts'
import type { LogLine } from '../support/relay-log.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

/** Listens on every address of this machine, IPv4 and IPv6: whatever gets through is seen. */
let connections = 0
const target = createServer((_request, response) => response.writeHead(200).end())
target.on('connection', () => {
  connections++
})

beforeAll(async () => {
  target.listen(0)
  await once(target, 'listening')
})
afterAll(() => {
  target.close()
  target.closeAllConnections()
})

const hosts = [
  ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001'],
  ...['127.0.0.1.', '127.255.255.254', '127.000.000.001', '%31%32%37.0.0.1', '１２７.０.０.１', '①②⑦.⓪.⓪.①'],
  ...['localhost', 'LOCALHOST', 'ｌocalhost', '0.0.0.0', '0', '0x0', '[::]', '[::1]'],
  ...['[0:0:0:0:0:0:0:1]', '[0000::0001]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::FFFF:127.0.0.1]'],
  ...['[::127.0.0.1]', '[::ffff:0:127.0.0.1]', '[64:ff9b::127.0.0.1]', '[64:ff9b:1::7f00:1]'],
  ...['[2002:7f00:1::]', '[2001:0:7f00:1::]', '[fe80::1]', '[fc00::1]', '[fd12:3456:789a::1]', '[fec0::1]'],
  ...[
    '[ff02::1]',
    '[2001:db8::1]',
    '169.254.169.254',
    '[fd00:ec2::254]',
    '[::ffff:a9fe:a9fe]',
    '100.100.100.200',
  ],
  ...['10.0.0.1', '10.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', '100.64.0.1', '192.0.0.1'],
  ...['192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
]

let site: RelaySite
afterAll(() => site?.close())

test('every spelling of an address that is not public ends as failed: blocked, and no connection is made', async () => {
  site = await openSite()
  const relay = await site.startRelay({
    EGRESS_ALLOW: '',
    RETRY_MAX_ATTEMPTS: '1',
    ATTEMPT_TIMEOUT_MS: '1000',
  })
  const { port } = target.address() as AddressInfo
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const reachable = own
    .filter(({ scopeid }) => !scopeid)
    .map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address))
  const all = [...new Set([...hosts, ...reachable])]
  const sessionId = 'egress'
  const registrations = all.map((host, i) =>
    site.registration('/', {
      sessionId,
      clientId: `blocked-${i}`,
      backchannelLogoutUri: `http://${host}:${port}/logout`,
    }),
  )
  await site.registerInRedis(...registrations)
  await site.topic.publish(site.terminated({ sessionId }))
  const got: Record<string, unknown> = {}
  const wanted: Record<string, unknown> = {}
  for (const [i, host] of all.entries()) {
    const { data } = await site.topic.waitForOutcome(`blocked-${i}`)
    got[host] = [data.reason, data.attempts]
    wanted[host] = ['blocked', 1]
  }
  expect(got).toEqual(wanted)
  expect(connections).toBe(0)
  await relay.stop()
})

test('an address that is registered and not allowed: a finding before anybody logs out', async () => {
  const relay = await site.startRelay({ EGRESS_ALLOW: '', EGRESS_ALLOW_HTTP: 'false' })
  const of = async (clientId: string, ...records: InputRecord[]) => {
    await site.topic.publish(...records)
    const isIt = ({ about, check }: LogLine) => check === 'client-egress' && about === clientId
    return String((await relay.waitForLog(isIt)).text)
  }
  const named = (clientId: string, backchannelLogoutUri: string) =>
    of(clientId, site.registered(site.registration('/named', { clientId, backchannelLogoutUri })))
  expect(await named('plain', 'http://rp.example/logout')).toContain('EGRESS_ALLOW_HTTP')
  expect(await named('address', 'https://10.1.2.3/logout?x=secret')).toMatch(/10\.1\.2\.3.*EGRESS_ALLOW/)
  expect(await named('name', 'https://localhost/logout')).toContain('localhost')
  const data = { issuer: ISSUER, clientId: 'configured', backchannelLogoutUri: 'https://[::1]/logout' }
  expect(await of('configured', inputRecord('client-configured', data))).toContain('loopback')
  expect(JSON.stringify(relay.log)).not.toContain('secret')
  await relay.stop()
})

test('an address that is not allowed yet: a finding at once, and the RP is told when it is', async () => {
  const env = { RETRY_DOUBTFUL_DELAYS_MS: '300', RETRY_MAX_ATTEMPTS: '1000' }
  const strict = await site.startRelay({ ...env, EGRESS_ALLOW: '' })
  const registration = site.registration('/allowed-later')
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  const { clientId } = registration
  const { text } = await strict.waitForLog(
    ({ about, check }) => check === 'client-origin' && about === clientId,
  )
  expect(text).toMatch(/egress guard.* loopback; add it to EGRESS_ALLOW/)
  await strict.stop()
  expect(site.rps.at('/allowed-later')).toEqual([])
  await site.startRelay(env)
  const { data } = await site.topic.waitForOutcome(clientId)
  expect(data).toMatchObject({ status: 200 })
  expect(data.attempts).toBeGreaterThan(1)
})

async function attempt(
  uri: string,
  policy: { allowHttp?: boolean; allow?: string[] },
): Promise<AttemptResult> {
  const guard = new EgressGuard({ allowHttp: policy.allowHttp ?? true, allow: policy.allow ?? [] })
  const sender = new UndiciSender({ attemptTimeoutMs: 2_000, connectionsPerOriginMax: 1 })
  try {
    return await new Promise((resolve) =>
      sender.send({ endpoint: logoutEndpoint(uri), egress: guard, ...emptyLogout }, resolve),
    )
  } finally {
    await sender.close()
  }
}

test.each([
  { host: '127.0.0.1', allow: ['127.0.0.0/8'] },
  { host: '2130706433', allow: ['127.0.0.1'] },
  { host: 'localhost', allow: ['127.0.0.0/8', '::1'] },
  { host: 'localhost', allow: ['localhost'] },
  { host: 'LOCALHOST', allow: ['localhost'] },
])('$host passes where $allow is allowed', async ({ host, allow }) => {
  const { port } = target.address() as AddressInfo
  expect(await attempt(`http://${host}:${port}/`, { allow })).toMatchObject({ kind: 'answered', status: 200 })
})

test.each([
  { host: '127.0.0.1', allow: ['localhost'], why: 'a host that is allowed is that name only' },
  { host: '127.0.0.1', allow: ['10.0.0.0/8'], why: 'another range is allowed' },
  { host: '[::ffff:127.0.0.1]', allow: ['::1'], why: 'the IPv6 form is not ::1' },
  { host: 'localhost', allow: ['local', 'host', '10.0.0.0/8'], why: 'names are compared as a whole' },
])('$host is refused: $why', async ({ host, allow }) => {
  const { port } = target.address() as AddressInfo
  const before = connections
  expect(await attempt(`http://${host}:${port}/`, { allow })).toMatchObject({ kind: 'blocked' })
  expect(connections).toBe(before)
})

test('http is refused unless it is allowed, also to a host that is', async () => {
  const { port } = target.address() as AddressInfo
  const before = connections
  const result = await attempt(`http://localhost:${port}/`, { allowHttp: false, allow: ['localhost'] })
  expect(result).toMatchObject({ kind: 'blocked' })
  expect(connections).toBe(before)
})

import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { inputRecord } from '../support/input-record.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { runRelay } from '../support/run-relay.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { openSite } from './open-site.ts'

/*
 * All that the port without a login may ever answer: what is not listed here is shown to nobody. Whoever adds a
 * header, a field or a route adds it here, and says by that that it may be seen.
 */

let site: RelaySite
let relay: RelayProcess

beforeAll(async () => {
  site = await openSite()
  relay = await site.startRelay({ RETRY_DOUBTFUL_DELAYS_MS: '0' })
})
afterAll(() => site.close())

const GUARDS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}
/** Of Node.js itself, and what depends on the length of the body. */
const FRAMING = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding']
const plain = (status: number, more = {}) => [status, { ...GUARDS, 'content-type': 'text/plain', ...more }]

const answers: Record<string, unknown> = {
  '/livez': plain(200),
  '/livez?x=1': plain(200),
  '/readyz': [200, { ...GUARDS, 'content-type': 'application/json' }],
  '/metrics': [200, { ...GUARDS, 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }],
  '/jwks.json': [
    200,
    { ...GUARDS, 'cache-control': 'public, max-age=60', 'content-type': 'application/jwk-set+json' },
  ],
  '/events': [
    200,
    { ...GUARDS, 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' },
  ],
  '/': [
    200,
    {
      ...GUARDS,
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'$/,
      ),
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-opener-policy': 'same-origin',
      'x-frame-options': 'DENY',
    },
  ],
  '/elsewhere': plain(404),
  '/livez/': plain(404),
  '/..%2f': plain(404),
  '/__proto__': plain(404),
}

async function ask(path: string, method: string): Promise<[IncomingMessage, Record<string, unknown>]> {
  const asked = request(`${relay.url}${path}`, { method, headers: { origin: 'https://other.example' } }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const shown = Object.entries(answer.headers).filter(([name]) => !FRAMING.includes(name))
  return [answer, Object.fromEntries(shown)]
}

describe.each(Object.entries(answers))('%s', (path, expected) => {
  test.each(['GET', 'HEAD'])('%s has its status and headers, and no others', async (method) => {
    const [answer, headers] = await ask(path, method)
    answer.destroy()
    expect([answer.statusCode, headers]).toEqual(expected)
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'])(
    '%s is refused',
    async (method) => {
      const [answer, headers] = await ask(path, method)
      expect([answer.statusCode, headers]).toEqual(plain(405, { allow: 'GET, HEAD' }))
      expect(await text(answer)).toBe('method not allowed\n')
    },
  )
})

const odd: Record<string, [bytes: string, status: number | undefined]> = {
  'no HTTP': ['\x16\x03\x01 hello\r\n\r\n', 400],
  'no host': ['GET /livez HTTP/1.1\r\n\r\n', 400],
  'a head that is too large': [`GET / HTTP/1.1\r\nHost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  'an expectation': ['GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n', 417],
  'two lengths': ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
  'half a request': ['GET / HTTP/1.1\r\nHost:', 408],
  'a body': ['GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc', 200],
  'a tunnel': ['CONNECT other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n', undefined],
  'another protocol': [
    'GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\r\n',
    200,
  ],
  'a proxy’s request': [
    'GET http://other.example/livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    404,
  ],
}

test.each(Object.entries(odd))(
  '%s: one guarded answer, and the connection ends',
  async (_, [bytes, status]) => {
    const socket = connect(Number(new URL(relay.url).port), '127.0.0.1').setEncoding('latin1')
    socket.write(bytes, 'latin1')
    const answer = await text(socket)
    if (status === undefined) return expect(answer).toBe('')
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    const [line, ...lines] = head.split('\r\n')
    expect(line).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    const headers = Object.fromEntries(lines.map((each) => each.toLowerCase().split(': ')))
    const shown = Object.entries(headers).filter(([name]) => !FRAMING.includes(name))
    expect(Object.fromEntries(shown)).toEqual({ ...GUARDS, 'content-type': 'text/plain' })
    expect(headers.connection).toBe('close')
    expect(body.length).toBe(Number(headers['content-length']))
  },
)

const SNAPSHOT = {
  '': 'atMs issuer mode partitionsTotal uptimeMs version',
  'backlog.': 'isCut isOld parked readAtMs rps',
  'failures[].': 'atMs count host isOver isWanted issuer kind remedy what why',
  'failedBy[].': 'reason recently remedy total',
  'findings[].': 'about check remedy severity text',
  'headline.': 'kind text title tone',
  'load.': 'inFlight inFlightMax outcomesPending unsettled unsettledMax waiting',
  'notReady[].': 'part reason',
  'partitions[].': 'lag openRecords partition settledOffset topic',
  'rebuild.': 'phase records recordsTotal',
  'relyingParties.': 'silent total troubledTotal',
  'relyingParties.paused.': 'parked total',
  'relyingParties.paused.rps[].': 'clientId issuer',
  'relyingParties.rows[].':
    'breaker clientId deadlineMs inFlight issuer nextDueMs openUntilMs parked state waiting withheld',
  'relyingParties.rows[].problem.': 'atMs error host',
  'relyingParties.late.':
    'breaker clientId deadlineMs inFlight issuer nextDueMs openUntilMs parked state waiting withheld',
  'relyingParties.late.problem.': 'atMs error host',
  'relyingParties.troubled[].':
    'breaker clientId deadlineMs inFlight issuer nextDueMs openUntilMs parked state waiting withheld remedy symptom',
  'relyingParties.troubled[].problem.': 'atMs error host',
  'relyingParties.withheld.': 'issuers[] parked total',
  'relyingParties.withheld.issuers[].': 'issuer parked remedy text why',
  'throughput.': 'everyMs failed[] sent[] sentPerSecond shadowed[] shadowedPerSecond windowMs',
  'throughput.outcomes[].': 'outcome reason recently total',
  'throughput.read.': 'ofUnknownIssuer triggers',
  'throughput.triggerToSent.': 'p50Ms p99Ms',
}
/** Nobody and no session among them. */
const LABELS =
  'check client_id issuer kid kind le major minor mode node outcome part partition patch reason result severity signs space topic type verdict version why'

/** Of each value in it that is no object, such as `rows[].problem.host`. */
function pathsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, `${path}[]`))
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([name, item]) =>
    pathsOf(item, path === '' ? name : `${path}.${name}`),
  )
}

const distinct = (paths: readonly string[]) => [...new Set(paths)].sort()

test('/jwks.json holds public halves', async () => {
  const [answer] = await ask('/jwks.json', 'GET')
  const { keys, ...others } = JSON.parse(await text(answer)) as { keys: object[] }
  expect(others).toEqual({})
  expect(keys.map((key) => Object.keys(key).sort().join(' ')).sort()).toEqual([
    'alg crv kid kty use x y',
    'crv kid kty use x',
    'e kid kty n use',
  ])
})

test('/readyz says what is not ready by parts that are known, and no more', async () => {
  const [answer] = await ask('/readyz', 'GET')
  expect(JSON.parse(await text(answer))).toEqual({ status: 'ready' })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/readyz`
  const said = eventually(async () => (await fetch(url)).json() as Promise<object>)
  const env = { PORT: String(port), REDIS_URL: `redis://user:s3cret@127.0.0.1:${await freePort()}` }
  await runRelay(site.commandEnvironment(env), said)
  expect(await said).toEqual({
    status: 'not ready',
    redis: 'not connected',
    kafka: 'not a member of the consumer group',
    registry: expect.not.stringContaining('s3cret'),
  })
})

test('a snapshot holds these fields, whatever goes on', async () => {
  const viewer = await StatusViewer.open(relay)
  const [dead, fine, refusing] = [
    site.registration('/answers/dead'),
    site.registration('/answers/fine'),
    site.registration('/answers/refusing'),
  ]
  site.rps.uri('/answers/dead', 503)
  site.rps.uri('/answers/refusing', 403)
  await site.registerInRedis(dead, fine, refusing)
  await site.topic.publish(
    site.terminated(dead),
    site.terminated(fine),
    site.terminated(refusing),
    inputRecord('session-terminated', { sessionId: 7 }),
  )
  const snapshot = await viewer.waitFor(({ failures, relyingParties, throughput }) => {
    return (
      failures.length >= 2 &&
      relyingParties.rows[0]?.problem !== undefined &&
      throughput.triggerToSent !== undefined
    )
  })
  viewer.close()
  const allowed = Object.entries(SNAPSHOT).flatMap(([at, names]) => names.split(' ').map((name) => at + name))
  const shown = viewer.snapshots.items.flatMap((each) => pathsOf(each))
  expect(distinct(shown).filter((path) => !allowed.includes(path))).toEqual([])
  expect(pathsOf(snapshot)).toContain('relyingParties.rows[].problem.error')

  const metrics = await (await fetch(`${relay.url}/metrics`)).text()
  const labels = [...metrics.matchAll(/[{,](\w+)="/g)].map(([, name = '']) => name)
  expect(distinct(labels).filter((name) => !LABELS.split(' ').includes(name))).toEqual([])
  expect(labels).toContain('client_id')
})

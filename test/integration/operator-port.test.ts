import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { runRelay } from '../support/run-relay.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { Strangers } from '../support/strangers.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let relay: RelayProcess

beforeAll(async () => {
  site = await openSite()
  relay = await site.startRelay({}, undefined, { openFilesMax: 256 })
})
afterAll(() => site.close())

const portOf = ({ url }: RelayProcess) => Number(new URL(url).port)
const HALF = 'GET /livez HTTP/1.1\r\nHost: a\r\n'
const asksFor = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

async function strangers(count: number, says?: string): Promise<Strangers> {
  const them = await Strangers.come(portOf(relay), count, says)
  onTestFinished(() => them.leave())
  return them
}

/** As a page does, which comes back when it is put out. */
async function seesSnapshots(count: number): Promise<void> {
  await eventually(async () => {
    const viewer = await StatusViewer.open(relay)
    try {
      await viewer.waitFor(() => viewer.snapshots.items.length >= count, 8_000)
    } finally {
      viewer.close()
    }
  })
}

/** All that comes back until the relay ends the connection. */
async function rawAnswer(bytes: string, to = relay): Promise<string> {
  const socket = connect(portOf(to), '127.0.0.1').setEncoding('latin1')
  socket.write(bytes, 'latin1')
  return text(socket)
}

describe.each([
  ['say nothing', ''],
  ['send half a request', HALF],
  ['take no answer', asksFor('/metrics')],
  ['ask for the page over and over', asksFor('/').repeat(200)],
])('a thousand connections to a relay of 256 descriptors that %s', (_, says) => {
  test('delay no logout, cost the RP nothing, and lock no operator out', async () => {
    const them = await strangers(1_000, says)
    void them.insist(20)
    const path = `/strangers/${says.length}`
    const registrations = Array.from({ length: 40 }, () => site.registration(path))
    await site.registerInRedis(...registrations)
    await site.topic.publish(...registrations.map((it) => site.terminated(it)))
    await eventually(() => expect(site.rps.at(path)).toHaveLength(40))
    // In the midst of such a crowd a connection may be put out before it has said a word; a browser tries again.
    await eventually(async () => expect((await fetch(`${relay.url}/livez`)).status).toBe(200))
    await seesSnapshots(1)
    them.leave()
    expect(await readMetric(relay, 'attempts_total', { verdict: 'retry' })).toBe(0)
    expect(await readMetric(relay, 'breaker_openings_total')).toBe(0)
    expect(await readMetric(relay, 'faults_total')).toBe(0)
  })
})

test.each([
  ['mute', ''],
  ['half a request', HALF],
  ['half a body', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx'],
  ['a whole request, kept alive', asksFor('/livez')],
])('a connection that stays is ended: %s', async (_, says) => {
  const socket = connect(portOf(relay), '127.0.0.1').resume()
  socket.write(says)
  // Node's own bounds take a minute and more.
  await once(socket, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) })
})

test('viewers that read nothing give their places to one who looks', async () => {
  await strangers(30, asksFor('/events'))
  await seesSnapshots(3)
})

test('an answer that nobody takes is not asked for a second time on the same connection', async () => {
  const answers = await rawAnswer(asksFor('/metrics').repeat(50))
  expect(answers.match(/HTTP\/1\.1/g)?.length ?? 0).toBeLessThanOrEqual(1)
})

describe('an address of its own', () => {
  const hosts: Record<string, number> = {
    localhost: 200,
    'LOCALHOST:1': 200,
    '127.0.0.1:65000': 200,
    '[::1]:80': 200,
    'rebound.example': 421,
    'rebound.example:8080': 421,
    'localhost.rebound.example': 421,
    '127.0.0.1.rebound.example': 421,
    'x@localhost': 421,
    '10.0.0.1': 421,
    '': 421,
  }

  test('on a loopback address only requests for this machine are answered', async () => {
    const local = await site.startRelay({ BIND_ADDRESS: '127.0.0.1' })
    for (const [host, status] of Object.entries(hosts)) {
      for (const path of ['/', '/metrics', '/events', '/elsewhere']) {
        const answer = await rawAnswer(
          `HEAD ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
          local,
        )
        const expected = status === 200 && path === '/elsewhere' ? 404 : status
        expect(answer, `${host} ${path}`).toMatch(new RegExp(`^HTTP/1.1 ${expected} `))
      }
    }
    const [elsewhere] = Object.values(networkInterfaces())
      .flat()
      .filter((it) => it?.family === 'IPv4' && !it.internal)
    if (elsewhere !== undefined) {
      await expect(fetch(local.url.replace('127.0.0.1', elsewhere.address))).rejects.toThrow('fetch failed')
    }
    await local.stop()
  })

  test.each(['256.1.1.1', '127.0.0.1:80', '[::1]', 'example.com'])(
    '%s is refused by name',
    async (address) => {
      const { status, output } = await runRelay({ ...site.commandEnvironment(), BIND_ADDRESS: address })
      expect([status, output]).toEqual([2, expect.stringMatching(/BIND_ADDRESS: must be an address/)])
    },
  )

  test('one that this machine does not have, or a port that is taken, is told with what to set', async () => {
    const env = site.commandEnvironment()
    const missing = await runRelay({ ...env, BIND_ADDRESS: '192.0.2.1' })
    expect([missing.status, missing.output]).toEqual([
      1,
      expect.stringMatching(/BIND_ADDRESS 192\.0\.2\.1.*\n$/),
    ])
    const taken = await runRelay({ ...env, PORT: String(portOf(relay)) })
    expect([taken.status, taken.output]).toEqual([1, expect.stringMatching(/PORT \d+ .*EADDRINUSE.*\n$/)])
  })
})

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { end, RelyingPartyServer } from '../support/relying-party-server.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'
import { openSite } from './open-site.ts'

const ATTEMPT_TIMEOUT_MS = 600
const ATTEMPTS_MAX = 3

let site: RelaySite
let relay: RelayProcess
const servers = new Set<Server>()
const sockets = new Set<Socket>()

beforeAll(async () => {
  site = await openSite({
    env: {
      ATTEMPT_TIMEOUT_MS: String(ATTEMPT_TIMEOUT_MS),
      RETRY_MAX_ATTEMPTS: String(ATTEMPTS_MAX),
      RETRY_MAX_DELAY_MS: '40',
    },
  })
  relay = await site.startRelay()
})
afterAll(async () => {
  for (const server of servers) server.close()
  for (const socket of sockets) socket.destroy()
  await site.close()
})

async function deliverTo(backchannelLogoutUri: string) {
  const registration = site.registration(`/${randomUUID()}`, { backchannelLogoutUri })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  return (await site.topic.waitForOutcome(registration.clientId)).data
}

/** A listener that does to every connection what a test says. It ends with this file. */
async function listen(server: Server): Promise<string> {
  servers.add(server)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const exhausted = (lastError: RegExp) => ({
  reason: 'exhausted',
  attempts: ATTEMPTS_MAX,
  status: null,
  lastError: expect.stringMatching(lastError),
})

describe.concurrent('tried again until the attempts are spent', () => {
  test('connection refused', async () => {
    expect(await deliverTo(`http://127.0.0.1:${await freePort()}/`)).toMatchObject(exhausted(/ECONNREFUSED/))
  })

  test('reset after the request, before any answer', async () => {
    let requests = 0
    const host = await listen(
      createServer((socket) =>
        socket.once('data', () => {
          requests++
          socket.resetAndDestroy()
        }),
      ),
    )
    expect(await deliverTo(`http://${host}/`)).toMatchObject(exhausted(/ECONNRESET|UND_ERR_SOCKET/))
    expect(requests).toBe(ATTEMPTS_MAX)
  })

  test('a new connection reset in the middle of the head of the answer is an attempt, not a stale connection', async () => {
    let requests = 0
    const host = await listen(
      createServer((socket) =>
        socket.once('data', () => {
          requests++
          socket.write('HTTP/1.1 200 OK\r\ncontent-', () => socket.resetAndDestroy())
        }),
      ),
    )
    expect(await deliverTo(`http://${host}/`)).toMatchObject(exhausted(/ECONNRESET|UND_ERR_SOCKET/))
    expect(requests).toBe(ATTEMPTS_MAX)
  })

  test('an answer that is not HTTP', async () => {
    const host = await listen(
      createServer((socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))),
    )
    expect(await deliverTo(`http://${host}/`)).toMatchObject(exhausted(/HPE|HTTP\/1\.1 protocol/))
  })

  test('an answer with a head of 200 KB', async () => {
    const host = await listen(
      createServer((socket) =>
        socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(200_000)}\r\n\r\n`)),
      ),
    )
    expect(await deliverTo(`http://${host}/`)).toMatchObject(exhausted(/OVERFLOW/))
  })

  test('a certificate that is not trusted', async () => {
    const { key, cert } = selfSignedCertificate('127.0.0.1')
    let bytes = 0
    const server = createTlsServer({ key, cert }, (socket) =>
      socket.on('data', ({ length }) => (bytes += length)),
    )
    server.on('tlsClientError', () => undefined)
    const host = await listen(server)
    expect(await deliverTo(`https://${host}/`)).toMatchObject(exhausted(/SELF_SIGNED/))
    expect(bytes).toBe(0)
  })

  test('TLS spoken to a plain server', async () => {
    const host = await listen(createServer((socket) => socket.once('data', () => socket.end('what?\r\n'))))
    expect(await deliverTo(`https://${host}/`)).toMatchObject(exhausted(/SSL|EPROTO/))
  })

  test('a name that does not resolve', async () => {
    const error = /ENOTFOUND|EAI_AGAIN|LR_ATTEMPT_TIMEOUT/
    expect(await deliverTo('https://no-such-host.invalid/logout')).toMatchObject(exhausted(error))
  })

  test('a connection that is accepted and never answered', async () => {
    const host = await listen(createServer())
    const startedAtMs = performance.now()
    expect(await deliverTo(`http://${host}/`)).toMatchObject(exhausted(/LR_ATTEMPT_TIMEOUT/))
    expect(performance.now() - startedAtMs).toBeLessThan(PATIENCE_MS)
  })
})

describe.concurrent('the status is the answer, however its body ends', () => {
  const endless = (status: number, everyMs: number, bytes: number) =>
    createServer((socket) =>
      socket.once('data', () => {
        socket.write(`HTTP/1.1 ${status} X\r\ntransfer-encoding: chunked\r\n\r\n`)
        const chunk = `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`
        const timer = setInterval(() => socket.write(chunk), everyMs)
        socket.once('close', () => clearInterval(timer))
      }),
    )

  test.each([
    { name: 'fast', everyMs: 1, bytes: 16_384 },
    { name: 'one byte now and then', everyMs: 50, bytes: 1 },
  ])('200 with a body that never ends, $name: sent', async ({ everyMs, bytes }) => {
    const host = await listen(endless(200, everyMs, bytes))
    expect(await deliverTo(`http://${host}/`)).toMatchObject({ status: 200, attempts: 1 })
  })

  test('503 with a body that never ends: tried again', async () => {
    const host = await listen(endless(503, 1, 16_384))
    const { reason, attempts, lastStatus } = await deliverTo(`http://${host}/`)
    expect({ reason, attempts, lastStatus }).toEqual({ reason: 'exhausted', attempts: 3, lastStatus: 503 })
  })

  test('100 Continue and other interim answers, then 200: one POST', async () => {
    const uri = site.rps.uri('/continue', (_request, response) => {
      response.writeContinue()
      response.writeProcessing()
      response.writeContinue()
      end(response, 200)
    })
    expect(await deliverTo(uri)).toMatchObject({ status: 200, attempts: 1 })
    expect(site.rps.at('/continue')).toHaveLength(1)
  })

  test('200, then a reset', async () => {
    const host = await listen(
      createServer((socket) =>
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nxxx', () => socket.resetAndDestroy())
        }),
      ),
    )
    expect(await deliverTo(`http://${host}/`)).toMatchObject({ status: 200, attempts: 1 })
  })
})

test('an answer after the time-out does not count: the logout is sent again under a new jti', async () => {
  let isFirst = true
  const uri = site.rps.uri('/slow', (_request, response) => {
    if (!isFirst) return end(response, 200)
    isFirst = false
    setTimeout(() => end(response, 200), ATTEMPT_TIMEOUT_MS * 1.5)
  })
  const data = await deliverTo(uri)
  const [first, second, ...others] = site.rps.at('/slow')
  expect(others).toEqual([])
  expect(data).toMatchObject({ status: 200, attempts: 2, jti: second?.claims.jti })
  expect(first?.claims.jti).not.toBe(second?.claims.jti)
})

test('an idle connection that the RP gave up: sent again at once, under a new jti, and not counted', async ({
  onTestFinished,
}) => {
  const server = await RelyingPartyServer.listen()
  onTestFinished(() => server.close())
  const used = new Set<Socket>()
  const uri = server.uri('/stale', ({ connection }, response) => {
    // As if the RP had closed it a moment before the request arrived.
    if (used.has(connection)) return void connection.destroy()
    used.add(connection)
    end(response, 200)
  })
  expect(await deliverTo(uri)).toMatchObject({ status: 200, attempts: 1 })
  const data = await deliverTo(uri)
  const [, lost, arrived, ...others] = server.at('/stale')
  expect(others).toEqual([])
  expect(data).toMatchObject({ status: 200, attempts: 1, jti: arrived?.claims.jti })
  expect(lost?.claims.jti).not.toBe(arrived?.claims.jti)
  expect(lost?.claims.sid).toBe(arrived?.claims.sid)
  await relay.waitForLog(
    ({ msg, jti, next }) => msg === 'attempt' && jti === lost?.claims.jti && next === 'resend',
  )
})

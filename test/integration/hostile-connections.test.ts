import type { Socket } from 'node:net'
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { clientSocketsTo } from '../support/client-sockets.ts'
import { DeafListener } from '../support/deaf-listener.ts'
import { freePort } from '../support/free-port.ts'
import { type Behaviour, HostileServer, onFirstBytes, onRequest } from '../support/hostile-server.ts'
import { LoopbackSender } from '../support/loopback-sender.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'

const TIMEOUT_MS = 500
/** The machine may be busy with something else. Less than undici's own time-out for a connection. */
const LATE_MS_MAX = 5_000
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
const certificate = selfSignedCertificate('localhost')

/** For what ends by itself, however long the machine stands still. */
let sender: LoopbackSender
/** For what the time-out ends. */
let impatient: LoopbackSender

beforeAll(() => {
  setDefaultCACertificates([...getCACertificates('bundled'), certificate.cert])
  sender = new LoopbackSender(PATIENCE_MS)
  impatient = new LoopbackSender(TIMEOUT_MS)
})
afterAll(() => Promise.all([sender.close(), impatient.close()]))

async function listen(behaviour: Behaviour, host?: string): Promise<HostileServer> {
  const server = await HostileServer.plain(behaviour, host)
  onTestFinished(() => server.close())
  return server
}

async function listenTls(behaviour: Behaviour<TLSSocket>): Promise<HostileServer> {
  // Renegotiation is a matter of TLS 1.2.
  const server = await HostileServer.tls({ ...certificate, maxVersion: 'TLSv1.2' }, behaviour)
  onTestFinished(() => server.close())
  return server
}

const timedOut = { kind: 'unreachable', code: 'LR_ATTEMPT_TIMEOUT', staleConnection: false }

describe('a connection that is never made', () => {
  test('holds no socket longer than its attempt', async () => {
    const listener = await DeafListener.listen()
    onTestFinished(() => listener.close())
    const uri = `http://127.0.0.1:${listener.port}/logout`
    for (let round = 0; round < 2; round++) {
      const startedAtMs = performance.now()
      const attempts = Array.from({ length: 8 }, () => impatient.send(uri))
      await expect.poll(() => clientSocketsTo(listener.port)).toBe(listener.fillers + 8)
      for (const result of await Promise.all(attempts)) expect(result).toMatchObject(timedOut)
      expect(performance.now() - startedAtMs).toBeLessThan(TIMEOUT_MS + LATE_MS_MAX)
      const left = () => clientSocketsTo(listener.port)
      await expect.poll(left, { interval: 10, timeout: LATE_MS_MAX }).toBe(listener.fillers)
    }
  })

  test('that a probe makes ends with the probe, and is not waited for by the next', async () => {
    const listener = await DeafListener.listen()
    onTestFinished(() => listener.close())
    const uri = `http://127.0.0.1:${listener.port}/logout`
    for (let round = 0; round < 2; round++) {
      // With the whole time-out of this sender it would last longer than the test.
      const { result } = await sender.timed(uri, TIMEOUT_MS)
      expect(result).toMatchObject(timedOut)
      const left = () => clientSocketsTo(listener.port)
      await expect.poll(left, { interval: 10, timeout: LATE_MS_MAX }).toBe(listener.fillers)
    }
  })

  test('is made by a probe although all others to that origin hang', async () => {
    let answers = false
    const server = await listen(onRequest((socket) => answers && socket.write(OK)))
    const hanging = Array.from({ length: 8 }, () => impatient.send(server.uri()))
    await expect.poll(() => server.accepted).toBe(8)
    answers = true
    expect((await sender.timed(server.uri(), PATIENCE_MS)).result).toMatchObject({
      kind: 'answered',
      status: 200,
    })
    for (const result of await Promise.all(hanging)) expect(result).toMatchObject(timedOut)
  })

  test('is refused at once', async () => {
    const result = await sender.send(`http://127.0.0.1:${await freePort()}/`)
    expect(result).toMatchObject({ kind: 'unreachable', code: 'ECONNREFUSED', staleConnection: false })
  })
})

describe('a TLS handshake', () => {
  test.each([
    { name: 'that is never answered', behaviour: (socket: Socket) => socket.resume() },
    {
      name: 'that stops after half of a record',
      behaviour: onFirstBytes((socket) => socket.write(Buffer.from('160303005a0200', 'hex'))),
    },
    {
      name: 'of one byte now and then',
      behaviour: onFirstBytes((socket) => {
        const timer = setInterval(() => socket.write('\x16'), 200)
        socket.once('close', () => clearInterval(timer))
      }),
    },
  ])('$name ends with the attempt', async ({ behaviour }) => {
    const server = await listen(behaviour)
    const results = await Promise.all(Array.from({ length: 4 }, () => impatient.send(server.uri('https'))))
    for (const result of results)
      expect(result).toMatchObject({ kind: 'unreachable', staleConnection: false })
    const left = () => server.clientSockets()
    await expect.poll(left, { interval: 10, timeout: LATE_MS_MAX }).toBe(0)
    expect(server.accepted).toBe(4)
  })

  test.each([
    { name: 'reset', behaviour: onFirstBytes((socket) => socket.resetAndDestroy()) },
    { name: 'ended', behaviour: onFirstBytes((socket) => socket.end()) },
    { name: 'reset before it began', behaviour: (socket: Socket) => socket.resetAndDestroy() },
  ])('$name is a failed attempt', async ({ behaviour }) => {
    const server = await listen(behaviour)
    const result = await sender.send(server.uri('https'))
    expect(result).toMatchObject({ kind: 'unreachable', code: 'ECONNRESET', staleConnection: false })
    await expect.poll(() => server.clientSockets()).toBe(0)
    expect(server.accepted).toBe(1)
  })
})

describe('an RP that asks for another TLS handshake', () => {
  test('is not answered, however often it asks', async () => {
    let handshakes = 0
    const server = await listenTls((socket) => {
      const again = (): void => {
        const isAsked = socket.renegotiate({ rejectUnauthorized: false }, (error) => {
          if (error !== null) return
          handshakes++
          setImmediate(again)
        })
        if (isAsked === false) socket.destroy()
      }
      socket.once('data', again)
    })
    const result = await impatient.send(server.uri('https', 'localhost'))
    expect(result).toMatchObject({ kind: 'unreachable' })
    expect(handshakes).toBe(0)
    await expect.poll(() => server.clientSockets()).toBe(0)
  })

  test('and is content without it has the answer that it gives', async () => {
    const server = await listenTls((socket) => {
      socket.once('data', () => {
        socket.renegotiate({ rejectUnauthorized: false }, () => undefined)
        socket.write(OK)
      })
    })
    expect(await sender.send(server.uri('https', 'localhost'))).toMatchObject({ status: 200 })
  })
})

describe('a connection that was used before', () => {
  /** Answers the first request of each connection, and does as told with the next. */
  const afterOneAnswer = (then: Behaviour): Behaviour => {
    return (socket) => {
      let requests = 0
      socket.on('data', () => (++requests === 1 ? socket.write(OK) : then(socket)))
    }
  }
  const idle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

  test.each([
    { name: 'reset', ending: (socket: Socket) => socket.resetAndDestroy() },
    { name: 'ended', ending: (socket: Socket) => socket.end() },
  ])('and is $name before any answer is stale', async ({ ending }) => {
    const server = await listen(afterOneAnswer(ending))
    expect(await sender.send(server.uri())).toMatchObject({ status: 200 })
    await idle()
    expect(await sender.send(server.uri())).toMatchObject({ kind: 'unreachable', staleConnection: true })
    expect(server.accepted).toBe(1)
  })

  test.each([
    ...['HTTP/1.1 200 OK\r\nconte', 'HTTP/1.1 102 Processing\r\n\r\n', 'H'].flatMap((begun) => [
      {
        how: 'reset',
        begun,
        ending: (socket: Socket) => socket.write(begun, () => socket.resetAndDestroy()),
      },
      { how: 'ended', begun, ending: (socket: Socket) => socket.end(begun) },
    ]),
  ])('and is $how after $begun has failed: the RP had the request', async ({ ending }) => {
    // The answer that has begun must be read before the reset arrives, which would discard it.
    const server = await listen(afterOneAnswer((socket) => setTimeout(() => ending(socket), 20)))
    expect(await sender.send(server.uri())).toMatchObject({ status: 200 })
    await idle()
    expect(await sender.send(server.uri())).toMatchObject({ kind: 'unreachable', staleConnection: false })
    expect(server.accepted).toBe(1)
  })

  test('and whose other end is gone without a word is not used a third time', async () => {
    const sender = new LoopbackSender(3_000)
    onTestFinished(() => sender.close())
    const server = await listen(afterOneAnswer(() => undefined))
    expect(await sender.send(server.uri())).toMatchObject({ status: 200 })
    await idle()
    expect(await sender.send(server.uri())).toMatchObject(timedOut)
    expect(await sender.send(server.uri())).toMatchObject({ status: 200 })
    expect(server.accepted).toBe(2)
  })
})

test('attempts that hang do not keep those to another origin waiting', async () => {
  const [hanging, well] = await Promise.all([
    listen(() => undefined),
    listen((socket) => socket.on('data', () => socket.write(OK))),
  ])
  let isOver = false
  const hung = Promise.all(Array.from({ length: 200 }, () => sender.send(hanging.uri()))).then(() => {
    isOver = true
  })
  for (let i = 0; i < 30; i++) expect(await sender.send(well.uri())).toMatchObject({ status: 200 })
  expect(isOver).toBe(false)
  hanging.close()
  await hung
})

describe('a relay that stood still for longer than the time-out', () => {
  const standStill = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

  test('takes the answer of an RP that stood still with it', async () => {
    let isAnswered = false
    const server = await listen(
      onRequest((socket) => {
        if (isAnswered) return
        isAnswered = true
        standStill(2 * TIMEOUT_MS)
        socket.write(OK)
      }),
    )
    expect(await impatient.send(server.uri())).toMatchObject({ status: 200 })
    // Such a moment is over at some time.
    expect(await impatient.send(server.uri())).toMatchObject(timedOut)
  })

  test('again and again does not wait for ever', async () => {
    const server = await listen(() => undefined)
    const standing = setInterval(() => standStill(300), 10)
    onTestFinished(() => clearInterval(standing))
    expect(await impatient.send(server.uri())).toMatchObject(timedOut)
  })
})

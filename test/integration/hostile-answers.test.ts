import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { AttemptResult } from '../../src/egress/sender.ts'
import { clientSocketsTo } from '../support/client-sockets.ts'
import { hostileAnswers } from '../support/hostile-answers.ts'
import { type Behaviour, HostileServer, onRequest } from '../support/hostile-server.ts'
import { LoopbackSender } from '../support/loopback-sender.ts'
import { PATIENCE_MS } from '../support/patience.ts'

const TIMEOUT_MS = 2_000
/** The machine may be busy with something else. */
const LATE_MS_MAX = 10_000

/** For what ends by itself, however long the machine stands still. */
let sender: LoopbackSender
/** For what the time-out ends. */
let impatient: LoopbackSender

beforeAll(() => {
  sender = new LoopbackSender(PATIENCE_MS)
  impatient = new LoopbackSender(TIMEOUT_MS)
})
afterAll(() => Promise.all([sender.close(), impatient.close()]))

async function listen(behaviour: Behaviour): Promise<HostileServer> {
  const server = await HostileServer.plain(behaviour)
  onTestFinished(() => server.close())
  return server
}

/** What of a result decides the verdict. */
function meaningOf(result: AttemptResult): number | string {
  return result.kind === 'answered' ? result.status : result.kind === 'unreachable' ? result.code : 'blocked'
}

const answer = (status: number): string => `HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`

describe.concurrent('each means one thing, in bounded time', () => {
  test.for(hostileAnswers)('$name', async ({ behaviour, means, isSlow }, context) => {
    const server = await HostileServer.plain(behaviour)
    context.onTestFinished(() => server.close())
    const { result, durationMs } = await (isSlow ? impatient : sender).timed(server.uri())
    if (typeof means === 'number') context.expect(meaningOf(result)).toBe(means)
    else context.expect(meaningOf(result)).toMatch(means)
    context.expect(result).not.toMatchObject({ staleConnection: true })
    context.expect(durationMs).toBeLessThan(TIMEOUT_MS + LATE_MS_MAX)
    if (isSlow) context.expect(durationMs).toBeGreaterThan(TIMEOUT_MS - 50)
    // One that brought a whole answer is kept for a while.
    const keptMax = typeof means === 'number' && !isSlow ? 1 : 0
    await context.expect.poll(() => server.clientSockets()).toBeLessThanOrEqual(keptMax)
    context.expect(server.accepted).toBe(1)
  })
})

test('a head of thousands of tiny headers does not keep the process busy', async () => {
  const server = await listen(
    onRequest((socket) => socket.write(`HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(100_000)}\r\n`)),
  )
  await sender.send(server.uri())
  const before = process.cpuUsage()
  for (let i = 0; i < 10; i++) expect(meaningOf(await sender.send(server.uri()))).toMatch(/OVERFLOW/)
  const { user, system } = process.cpuUsage(before)
  // Microseconds; it was 370,000 for each of them.
  expect(user + system).toBeLessThan(1_500_000)
})

describe('an answer belongs to its own request', () => {
  test.each([
    { name: 'at once', afterMs: 0 },
    { name: 'a moment later', afterMs: 20 },
  ])('a second answer that comes $name is not taken for the next one', async ({ afterMs }) => {
    let requests = 0
    const server = await listen((socket) =>
      socket.on('data', () => {
        if (++requests > 1) socket.write(answer(503))
        else if (afterMs === 0) socket.write(answer(200) + answer(204))
        else {
          socket.write(answer(200))
          setTimeout(() => socket.write(answer(204)), afterMs)
        }
      }),
    )
    expect(meaningOf(await sender.send(server.uri()))).toBe(200)
    await expect.poll(() => server.clientSockets()).toBe(0)
    expect(meaningOf(await sender.send(server.uri()))).toBe(503)
  })

  test('the rest of a body that was given up is not read by the next request', async () => {
    let requests = 0
    const server = await listen((socket) =>
      socket.on('data', () =>
        socket.write(++requests > 1 ? answer(403) : `${answer(200).trim()}0000\r\n\r\nxx`),
      ),
    )
    expect(meaningOf(await sender.send(server.uri()))).toBe(200)
    expect(meaningOf(await sender.send(server.uri()))).toBe(403)
    expect(server.accepted).toBe(2)
  })
})

test('a limit on what is read counts for one answer, not for all that one connection brings', async () => {
  const body = 'x'.repeat(50_000)
  const server = await listen((socket) =>
    socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)),
  )
  for (let i = 0; i < 20; i++) expect(meaningOf(await sender.send(server.uri()))).toBe(200)
  expect(server.accepted).toBeLessThanOrEqual(2)
})

test('any bytes in any pieces end an attempt, and nothing else', async () => {
  let pieces: readonly Buffer[] = []
  let isEnding = false
  const server = await listen(
    onRequest((socket) => {
      for (const piece of pieces) setImmediate(() => socket.write(piece))
      if (isEnding) setImmediate(() => socket.end())
    }),
  )
  const short = new LoopbackSender(100)
  onTestFinished(() => short.close())
  const lines = [
    ...[
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 103 X\r\n',
      'HTTP/1.1 101 X\r\n',
      'HTTP/1.0 500\r\n',
      'HTTP/1.1 204 \r\n',
    ],
    ...[
      'content-length: 3\r\n',
      'content-length: 0\r\n',
      'transfer-encoding: chunked\r\n',
      'connection: close\r\n',
    ],
    ...[
      'connection: upgrade\r\nupgrade: h2c\r\n',
      'keep-alive: timeout=0\r\n',
      'trailer: x\r\n',
      ' folded\r\n',
    ],
    ...[
      '\r\n',
      '\n',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      '0;x=y\r\n',
      'abc',
      '\0',
      'ffffffffffffffff\r\n',
      ': \r\n',
    ],
  ]
  const text = fc.array(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...lines) }, fc.string({ maxLength: 4 })),
    {
      maxLength: 12,
    },
  )
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 40 }), fc.boolean(), async (parts, size, ending) => {
      const bytes = Buffer.from(`${lines[parts.length % 3]}${parts.join('')}`, 'latin1')
      pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      )
      // Most of what does not end takes the whole time-out.
      isEnding = ending || parts.length % 8 !== 0
      expect((await short.send(server.uri())).kind).toMatch(/answered|unreachable/)
    }),
    { numRuns: 300 },
  )
})

test('repeated for a long time, none of them costs memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const worker = new Worker(new URL('../support/hostile-worker.ts', import.meta.url))
  onTestFinished(() => void worker.terminate())
  const [uris] = (await once(worker, 'message')) as [string[]]
  const short = new LoopbackSender(60)
  onTestFinished(() => short.close())
  const round = async (times: number): Promise<number> => {
    for (let i = 0; i < times; i += 20) {
      await Promise.all(uris.flatMap((uri) => Array.from({ length: 20 }, () => short.send(uri))))
    }
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < 5; i++) {
      await delay(30)
      collect()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      least = Math.min(least, heapUsed + arrayBuffers)
    }
    return least
  }
  // A leak grows in every round; compiled code and the runner's own caches grow in some.
  const grown = [Number.POSITIVE_INFINITY]
  let before = await round(40)
  while (grown.length < 6 && Math.min(...grown) > 500_000) {
    const after = await round(40)
    grown.push(after - before)
    before = after
  }
  // Of some 2,300 attempts a round, so about 200 bytes of each.
  expect(Math.min(...grown)).toBeLessThan(500_000)
  await short.close()
  const left = () =>
    Promise.all(
      uris.map((uri) => new URL(uri)).map(({ hostname, port }) => clientSocketsTo(Number(port), hostname)),
    )
  await expect.poll(async () => (await left()).filter((count) => count > 0)).toEqual([])
})

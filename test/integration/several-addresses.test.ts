import dns from 'node:dns'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer as createHttpsServer } from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { EgressGuard } from '../../src/egress/egress-guard.ts'
import { NameResolver } from '../../src/egress/name-resolver.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { tlsHandshake } from '../../src/lib/connect-any.ts'
import { type LookUp, reachableAddress } from '../../src/lib/reachable-address.ts'
import { tcpConnect } from '../../src/lib/tcp-connect.ts'
import { RedisConnection } from '../../src/redis/redis-connection.ts'
import { DeafListener } from '../support/deaf-listener.ts'
import { freePort } from '../support/free-port.ts'
import { HostileServer, onRequest } from '../support/hostile-server.ts'
import { LoopbackSender } from '../support/loopback-sender.ts'
import { NameServer } from '../support/name-server.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'

const named = (...addresses: string[]): LookUp => {
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  return (_name, _options, done) => done(null, found)
}

/** As a client of Kafka or Redis connects, by a name with these addresses. */
function outcome(port: number, timeoutMs: number, ...addresses: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lookup = reachableAddress({ port, timeoutMs, lookUp: named(...addresses) })
    const socket = connect({ host: 'server.test', port, lookup })
    socket.on('connect', () => {
      resolve(socket.remoteAddress)
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

test('a server that is slow at one address is reached although another refuses', async () => {
  const slow = await DeafListener.listen()
  onTestFinished(() => slow.close())
  const reached = [
    outcome(slow.port, PATIENCE_MS, '127.0.0.1', '127.0.0.99'),
    outcome(slow.port, PATIENCE_MS, '127.0.0.1', '2001:db8::1', '127.0.0.98', '127.0.0.99'),
  ]
  const doctor = tcpConnect('server.test', slow.port, PATIENCE_MS, named('127.0.0.1', '127.0.0.99'))
  setTimeout(() => slow.hear(), 1_000)
  expect(await Promise.all(reached)).toEqual(['127.0.0.1', '127.0.0.1'])
  expect(await doctor).toMatchObject({ kind: 'connected' })
})

test('a server at the last of many addresses is reached although the others hang', async () => {
  const hanging = await DeafListener.listen()
  onTestFinished(() => hanging.close())
  const well = await DeafListener.listen('127.0.0.78', hanging.port)
  well.hear()
  onTestFinished(() => well.close())
  const others = new Array(7).fill('127.0.0.1')
  expect(await outcome(hanging.port, 2_000, ...others, '127.0.0.78')).toBe('127.0.0.78')
})

test('a server that takes no connection at any address is told as such', async () => {
  const port = await freePort()
  expect(await outcome(port, PATIENCE_MS, '127.0.0.98', '127.0.0.99')).toBe('ECONNREFUSED')
  const deaf = await DeafListener.listen()
  onTestFinished(() => deaf.close())
  expect(await outcome(deaf.port, 200, '127.0.0.1', '127.0.0.1')).toBe('ETIMEDOUT')
})

const certificate = selfSignedCertificate('server.test')
const stranger = selfSignedCertificate('stranger.test')
const answered = { kind: 'answered', status: 200 }

/** Addresses at which nobody listens. */
function refusing(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `127.9.${Math.floor(n / 200)}.${(n % 200) + 1}`)
}

/** Attempts at `server.test`, which has these addresses. */
async function senderTo(addresses: readonly string[], timeoutMs = PATIENCE_MS) {
  const nameServer = await NameServer.listen(() => ({ addresses }))
  const guard = new EgressGuard({ allowHttp: true, allow: ['server.test'] })
  const names = new NameResolver({ servers: [nameServer.address] })
  const sender = new LoopbackSender(timeoutMs, { guard, names })
  onTestFinished(async () => {
    await sender.close()
    nameServer.close()
  })
  return sender
}

/** A server over TLS at 127.0.0.78; at 127.0.0.1, on the same port, one that accepts and says nothing. */
async function besideSilent(shown = certificate) {
  const silent = await HostileServer.plain(() => undefined, '127.0.0.1')
  const port = Number(new URL(silent.uri()).port)
  const server = createHttpsServer(shown, (_request, response) => response.end())
  let secured = 0
  server.on('secureConnection', () => secured++)
  server.listen(port, '127.0.0.78')
  await once(server, 'listening')
  onTestFinished(() => {
    silent.close()
    server.close()
    server.closeAllConnections()
  })
  return { port, silent, secured: () => secured }
}

describe('a name with many addresses of which most refuse', () => {
  /** Attempts until one is answered. */
  async function attemptsUntilAnswered(count: number, max: number): Promise<number> {
    const well = await HostileServer.plain(
      onRequest((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')),
      '127.0.0.78',
    )
    onTestFinished(() => well.close())
    const sender = await senderTo([...refusing(count), '127.0.0.78'])
    for (let attempt = 1; attempt <= max; attempt++) {
      const result = await sender.send(`http://server.test:${new URL(well.uri()).port}/logout`)
      if (result.kind === 'answered') return attempt
      expect(result).toMatchObject({ code: 'ECONNREFUSED' })
    }
    return Number.POSITIVE_INFINITY
  }

  test('28 of them: the good one is reached in one attempt', async () => {
    expect(await attemptsUntilAnswered(28, 1)).toBe(1)
  })

  test('150 of them: it is reached in a few, and no attempt tries them all', async () => {
    expect(await attemptsUntilAnswered(150, 3)).toBe(3)
  })
})

describe('a name of whose addresses the first accepts and never shakes hands', () => {
  beforeAll(() => setDefaultCACertificates([...getCACertificates('bundled'), certificate.cert]))

  test('an RP is reached at the second within the attempt, and there at once the next time', async () => {
    const { port, silent } = await besideSilent()
    const sender = await senderTo(['127.0.0.1', '127.0.0.78'])
    const uri = `https://server.test:${port}/logout`
    // A connection each, as probes have.
    expect((await sender.timed(uri, PATIENCE_MS)).result).toMatchObject(answered)
    expect((await sender.timed(uri, PATIENCE_MS)).result).toMatchObject(answered)
    expect(silent.accepted).toBe(1)
  })

  test('the sockets of the others go with the attempt', async () => {
    const { port, silent } = await besideSilent()
    const sender = await senderTo(['127.0.0.1', '127.0.0.78'])
    expect(await sender.send(`https://server.test:${port}/logout`)).toMatchObject(answered)
    await expect.poll(() => silent.clientSockets(), { timeout: PATIENCE_MS }).toBe(0)
    const alone = await senderTo(['127.0.0.1', '127.0.0.1', '127.0.0.1'], 300)
    expect(await alone.send(`https://server.test:${port}/logout`)).toMatchObject({ kind: 'unreachable' })
    await expect.poll(() => silent.clientSockets(), { timeout: PATIENCE_MS }).toBe(0)
  })

  test('or has a certificate of somebody else: an RP is reached at the one that has its own', async () => {
    const { port } = await besideSilent()
    const wrong = createHttpsServer(stranger, (_request, response) => response.end())
    wrong.listen(port, '127.0.0.79')
    await once(wrong, 'listening')
    onTestFinished(() => void wrong.close())
    const sender = await senderTo(['127.0.0.79', '127.0.0.78'])
    expect(await sender.send(`https://server.test:${port}/logout`)).toMatchObject(answered)
    const only = await senderTo(['127.0.0.79', '127.0.0.98'])
    expect(await only.send(`https://server.test:${port}/logout`)).toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    })
  })

  test('Kafka and Redis over TLS are reached at the second', async () => {
    const { lookup } = dns
    const found = ['127.0.0.1', '127.0.0.78'].map((address) => ({ address, family: 4 }))
    dns.lookup = ((name: string, options: dns.LookupAllOptions, done: (...found: unknown[]) => void) =>
      name === 'server.test' ? done(null, found) : lookup(name, options, done)) as typeof lookup
    syncBuiltinESMExports()
    onTestFinished(() => {
      dns.lookup = lookup
      syncBuiltinESMExports()
    })
    const caFile = join(await mkdtemp(join(tmpdir(), 'several-addresses-')), 'ca.pem')
    await writeFile(caFile, certificate.cert)
    const tls = { caFile }
    // One handshake to find the address, and one of the client.
    const atRedis = await besideSilent()
    const url = `rediss://server.test:${atRedis.port}`
    const redis = new RedisConnection({ url, security: { tls }, onUp: () => {}, onDown: () => {} })
    onTestFinished(() => redis.close())
    redis.start()
    await expect.poll(atRedis.secured, { timeout: PATIENCE_MS }).toBeGreaterThan(1)
    const atKafka = await besideSilent()
    const kafka = createKafkaClient([`server.test:${atKafka.port}`], 'test', () => {}, { isTls: true, tls })
    const admin = kafka.admin({ retry: { retries: 0 } })
    await expect(admin.connect()).rejects.toThrow()
    expect(atKafka.secured()).toBeGreaterThan(1)
  })

  test('a server that refuses at one address is met there when nobody listens at the last', async () => {
    const { port } = await besideSilent(stranger)
    const handshake = tlsHandshake({ ca: certificate.cert, servername: 'server.test' })
    const lookUp = named('127.0.0.78', '127.0.0.98')
    const lookup = reachableAddress({ port, timeoutMs: PATIENCE_MS, handshake, lookUp })
    const address = await new Promise((resolve) =>
      lookup('server.test', {}, (error, found) => resolve(error ?? found)),
    )
    expect(address).toBe('127.0.0.78')
  })
})

import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls'
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { fetchDocument } from '../../src/egress/fetch-document.ts'
import { NameResolver } from '../../src/egress/name-resolver.ts'
import { tlsHandshake } from '../../src/egress/tls-handshake.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { RedisConnection } from '../../src/redis/redis-connection.ts'
import { LoopbackSender } from '../support/loopback-sender.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'

const certificate = selfSignedCertificate('localhost')
let folder: string
let caFile: string

beforeAll(async () => {
  // Not beside that of another file in the same process: two certificates of one name are mixed up.
  setDefaultCACertificates([...getCACertificates('bundled'), certificate.cert])
  folder = await mkdtemp(join(tmpdir(), 'server-names-'))
  caFile = join(folder, 'ca.pem')
  await writeFile(caFile, certificate.cert)
})

/** Notes by which name each connection asks for a certificate, as a router does that chooses by it. */
async function router(then: (socket: TLSSocket) => void) {
  const names: (string | false | null)[] = []
  const server = createServer(certificate, (socket) => {
    names.push(socket.servername)
    socket.on('error', () => undefined)
    then(socket)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { names, port: (server.address() as AddressInfo).port }
}

async function httpsServer() {
  const requests: { host: string | undefined; name: unknown }[] = []
  const server = createHttpsServer(certificate, (request, response) => {
    requests.push({ host: request.headers.host, name: (request.socket as TLSSocket).servername })
    response.end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { requests, port: (server.address() as AddressInfo).port }
}

test.each(['localhost', 'localhost.'])(
  'an RP at https://%s:port/ is told the name without dot',
  async (host) => {
    const { port, requests } = await httpsServer()
    const sender = new LoopbackSender(PATIENCE_MS)
    onTestFinished(() => sender.close())
    const uri = `https://${host}:${port}/logout`
    expect(await sender.send(uri)).toMatchObject({ kind: 'answered', status: 200 })
    // As the doctor does.
    const doctor = await tlsHandshake({ address: '127.0.0.1', port, hostname: host, timeoutMs: PATIENCE_MS })
    expect(doctor).toMatchObject({ kind: 'established', refusal: undefined })
    const document = await fetchDocument(`https://${host}:${port}/`, {
      timeoutMs: PATIENCE_MS,
      bytesMax: 10,
    })
    expect(document).toMatchObject({ kind: 'answered', status: 200 })
    expect(requests).toEqual(new Array(2).fill({ host: `localhost:${port}`, name: 'localhost' }))
  },
)

test('an RP at several addresses is told its name, and its certificate is held against that', async () => {
  const { port, requests } = await httpsServer()
  const files = { hosts: join(folder, 'hosts'), resolvConf: '/dev/null' }
  await writeFile(files.hosts, '127.0.0.1 localhost other.test\n127.0.0.99 localhost other.test\n')
  const sender = new LoopbackSender(PATIENCE_MS, { names: new NameResolver({ files }) })
  onTestFinished(() => sender.close())
  expect(await sender.send(`https://localhost:${port}/`)).toMatchObject({ kind: 'answered', status: 200 })
  expect(await sender.send(`https://other.test:${port}/`)).toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
  expect(await sender.send(`https://127.0.0.1:${port}/`)).toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
  expect(requests).toEqual([{ host: `localhost:${port}`, name: 'localhost' }])
})

test.each(['localhost', 'localhost.'])('Redis at rediss://%s is told the name without dot', async (host) => {
  const { names, port } = await router((socket) => socket.end())
  const redis = new RedisConnection({
    url: `rediss://${host}:${port}`,
    security: { tls: { caFile } },
    onUp: () => undefined,
    onDown: () => undefined,
  })
  onTestFinished(() => redis.close())
  redis.start()
  await expect.poll(() => names[0], { timeout: PATIENCE_MS }).toBe('localhost')
})

test.each(['localhost', 'localhost.'])('Kafka at %s over TLS is told the name without dot', async (host) => {
  const { names, port } = await router((socket) => socket.end())
  const admin = createKafkaClient([`${host}:${port}`], 'test', () => undefined, {
    isTls: true,
    tls: { caFile },
  }).admin({
    retry: { retries: 0 },
  })
  await expect(admin.connect()).rejects.toThrow()
  expect(names[0]).toBe('localhost')
})

test('Kafka in clear is found by a name with a final dot', async () => {
  const port = inject('kafkaBrokers').split(',')[0]?.split(':')[1]
  const admin = createKafkaClient([`localhost.:${port}`], 'test', () => undefined).admin()
  await admin.connect()
  expect((await admin.describeCluster()).brokers.length).toBeGreaterThan(0)
  await admin.disconnect()
})

import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { createServer } from 'node:tls'
import { expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readiness } from '../support/readiness.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { Examined } from '../support/run-doctor.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'
import { StatusViewer } from '../support/status-viewer.ts'
import { openSite } from './open-site.ts'

async function siteOf(): Promise<RelaySite> {
  const site = await openSite()
  onTestFinished(() => site.close())
  return site
}

/** What terminates TLS in front of the Redis of this run. */
async function tlsPort(): Promise<number> {
  const { port, hostname } = new URL(inject('redisUrl'))
  const server = createServer(selfSignedCertificate('localhost'), (socket) => {
    const redis = connect(Number(port), hostname)
    for (const it of [socket, redis]) it.on('error', () => [socket, redis].map((end) => end.destroy()))
    socket.pipe(redis).pipe(socket)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test.each([
  {
    what: 'rediss:// to a port without TLS',
    url: async () => inject('redisUrl').replace('redis:', 'rediss:'),
  },
  { what: 'redis:// to a TLS port', url: async () => `redis://127.0.0.1:${await tlsPort()}` },
])('$what: readiness, log and doctor say so', async ({ url }) => {
  const site = await siteOf()
  const REDIS_URL = await url()
  const says = new RegExp(`use ${REDIS_URL.startsWith('rediss') ? 'redis' : 'rediss'}:// in REDIS_URL`)
  const relay = await site.launchRelay({ REDIS_URL })
  const { port } = await relay.waitForLog(({ msg }) => msg === 'listening')
  await eventually(async () => {
    const { status, body } = await readiness(`http://127.0.0.1:${port}`)
    expect(status).toBe(503)
    expect(body.redis).toMatch(says)
  })
  await relay.waitForLog(({ level, error }) => level === 'warn' && says.test(String(error)))
  const viewer = await StatusViewer.open({ url: `http://127.0.0.1:${port}` })
  await viewer.waitFor(({ headline }) => says.test(headline.title))
  viewer.close()
  const examined = await Examined.by(site.commandEnvironment({ REDIS_URL }))
  expect(examined.all.find(({ check }) => check === 'redis-reachable')?.remedy).toMatch(says)
  expect(examined.status).toBe(3)
})

import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RelaySite } from '../support/relay-site.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let server: Server
const paths: string[] = []

beforeAll(async () => {
  site = await openSite()
  const { key, cert } = selfSignedCertificate('localhost')
  const authority = join(site.folder, 'authority.pem')
  await writeFile(authority, cert)
  const used = new Set<Socket>()
  server = createServer({ key, cert }, (request, response) => {
    paths.push(request.url ?? '')
    if (request.url === '/reset') request.socket.destroy()
    else if (request.url === '/stale' && used.has(request.socket)) request.socket.destroy()
    else response.writeHead(200).end()
    used.add(request.socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await site.startRelay({
    NODE_EXTRA_CA_CERTS: authority,
    EGRESS_ALLOW_HTTP: 'false',
    RETRY_MAX_ATTEMPTS: '3',
  })
})
afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await site.close()
})

async function deliverTo(path: string, sessionId?: string) {
  const { port } = server.address() as AddressInfo
  const registration = site.registration(path, {
    backchannelLogoutUri: `https://localhost:${port}${path}`,
    ...(sessionId !== undefined && { sessionId }),
  })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  return (await site.topic.waitForOutcome(registration.clientId, registration.sessionId)).data
}

test('an RP with a trusted certificate is told over TLS', async () => {
  expect(await deliverTo('/trusted')).toMatchObject({ status: 200, attempts: 1 })
})

test('an idle TLS connection that the RP gave up is not counted', async () => {
  expect(await deliverTo('/stale')).toMatchObject({ status: 200, attempts: 1 })
  expect(paths.filter((path) => path === '/stale')).toHaveLength(2)
})

test('a TLS connection reset before any answer is an attempt each time', async () => {
  expect(await deliverTo('/reset')).toMatchObject({ reason: 'exhausted', attempts: 3 })
  // The very first one goes over the connection that the delivery before left, which may be stale.
  expect(paths.filter((path) => path === '/reset').length).toBeLessThanOrEqual(4)
})

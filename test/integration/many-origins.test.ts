import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LoopbackSender } from '../support/loopback-sender.ts'

const ORIGINS = 3_000
const AT_ONCE = 100
const CONNECTIONS_MAX = 2_500

const connections = new Set<Socket>()
const held: ServerResponse[] = []
/** Every address of 127.0.0.0/8 is an origin of its own on it. It asks for connections to be kept for ten minutes. */
const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  if (request.url === '/held') held.push(response)
  else response.end()
})
server.on('connection', (socket) => {
  connections.add(socket)
  socket.once('close', () => connections.delete(socket))
})
const sender = new LoopbackSender(60_000)
let port: number

beforeAll(async () => {
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(async () => {
  await sender.close()
  server.closeAllConnections()
  server.close()
})

const uri = (origin: number, path = '/logout') =>
  `http://127.1.${Math.floor(origin / 250)}.${(origin % 250) + 1}:${port}${path}`

test('a mass logout at thousands of origins keeps no connection to each of them, and cuts no attempt', async () => {
  for (let from = 0; from < ORIGINS; from += AT_ONCE) {
    const results = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => sender.send(uri(from + n))))
    for (const result of results) expect(result).toMatchObject({ kind: 'answered', status: 200 })
  }
  await expect.poll(() => connections.size).toBeLessThanOrEqual(CONNECTIONS_MAX)

  // The connection to the last of them is for one attempt, but for all of it.
  const slow = sender.send(uri(ORIGINS, '/held'))
  await expect.poll(() => held).toHaveLength(1)
  held[0]?.end()
  expect(await slow).toMatchObject({ kind: 'answered', status: 200 })
  await expect.poll(() => connections.size).toBeLessThanOrEqual(CONNECTIONS_MAX)
})

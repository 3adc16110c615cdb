import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { tcpConnect } from '../../../src/lib/tcp-connect.ts'

test('a server that is there, and one that is not', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  expect(await tcpConnect('127.0.0.1', port, 5_000)).toMatchObject({ kind: 'connected' })
  server.close()
  await once(server, 'close')
  expect(await tcpConnect('127.0.0.1', port, 5_000)).toEqual({ kind: 'failed', code: 'ECONNREFUSED' })
})

test('name servers that do not answer are not taken for a server that does not', async () => {
  const answer = await tcpConnect('kafka.test.example', 9092, 20, () => undefined)
  expect(answer).toEqual({ kind: 'failed', code: 'EAI_AGAIN' })
})

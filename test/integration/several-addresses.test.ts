import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type LookUp, reachableAddress } from '../../src/lib/reachable-address.ts'
import { tcpConnect } from '../../src/lib/tcp-connect.ts'
import { DeafListener } from '../support/deaf-listener.ts'
import { freePort } from '../support/free-port.ts'
import { PATIENCE_MS } from '../support/patience.ts'

const named = (...addresses: string[]): LookUp => {
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  return (_name, _options, done) => done(null, found)
}

/** As a client of Kafka or Redis connects, by a name with these addresses. */
function outcome(port: number, timeoutMs: number, ...addresses: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lookup = reachableAddress(port, timeoutMs, named(...addresses))
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

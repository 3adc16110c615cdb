import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { freePort } from '../support/free-port.ts'

test('with one of two brokers dead, every connect finds the other at its second attempt', async () => {
  const dead = `127.0.0.1:${await freePort()}`
  const [live = ''] = inject('kafkaBrokers').split(',')
  const misses: string[] = []
  const kafka = createKafkaClient([dead, live], 'test', (_level, message) => {
    if (message.includes('Failed to connect to seed broker')) misses.push(message)
  })
  for (let i = 0; i < 12; i++) {
    misses.length = 0
    const admin = kafka.admin()
    await admin.connect()
    await admin.disconnect()
    expect(misses.length).toBeLessThanOrEqual(1)
  }
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
)

test.skipIf(!hasIpv6)('a broker that is named by its IPv6 address is found', async () => {
  const [live = ''] = inject('kafkaBrokers').split(',')
  const server = createServer((socket) => {
    const onward = connect(Number(live.split(':')[1]), '127.0.0.1')
    socket.pipe(onward).pipe(socket)
    for (const end of [socket, onward]) end.on('error', () => undefined)
  }).listen(0, '::1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const admin = createKafkaClient([`[::1]:${port}`], 'test', () => undefined).admin()
  await admin.connect()
  expect((await admin.describeCluster()).brokers.map(({ host }) => host)).toEqual(['127.0.0.1'])
  await admin.disconnect()
})

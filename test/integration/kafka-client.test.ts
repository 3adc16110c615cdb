import { networkInterfaces } from 'node:os'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { freePort } from '../support/free-port.ts'
import { LateServer } from '../support/late-server.ts'

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

test('a broker that is away does not fill the log: the same words are a warning once a minute', async () => {
  const lines: { level: string; line: string }[] = []
  const dead = `127.0.0.1:${await freePort()}`
  const kafka = createKafkaClient([dead], 'test', (level, line) => lines.push({ level, line }))
  const connect = () => kafka.admin({ retry: { retries: 3, initialRetryTime: 1 } }).connect()
  await expect(connect()).rejects.toThrow('ECONNREFUSED')
  await expect(connect()).rejects.toThrow('ECONNREFUSED')
  const warnings = lines.filter(({ level }) => level === 'warn').map(({ line }) => line)
  expect(warnings).toContain(`broker ${dead} cannot be reached: connect ECONNREFUSED ${dead}`)
  expect(new Set(warnings).size).toBe(warnings.length)
  // Nothing is kept from those who debug.
  expect(lines.filter(({ line }) => line === warnings[0]).length).toBeGreaterThan(2)
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
)

test.skipIf(!hasIpv6)('a broker that is named by its IPv6 address is found', async () => {
  const [live = ''] = inject('kafkaBrokers').split(',')
  const broker = new LateServer(await freePort(), live)
  await broker.open('::1')
  onTestFinished(() => broker.close())
  const admin = createKafkaClient([`[::1]:${broker.port}`], 'test', () => undefined).admin()
  await admin.connect()
  expect((await admin.describeCluster()).brokers.map(({ host }) => host)).toEqual(['127.0.0.1'])
  await admin.disconnect()
})

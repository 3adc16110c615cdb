import { expect, inject, test } from 'vitest'
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

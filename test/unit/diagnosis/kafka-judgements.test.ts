import { expect, test } from 'vitest'
import { judgeDeadLetters, judgeKafkaTransport } from '../../../src/diagnosis/kafka-judgements.ts'

test.each([
  { brokers: ['kafka.example:9093'], isTls: true, mechanism: 'plain', is: 'ok' },
  { brokers: ['kafka.example:9092'], isTls: false, mechanism: 'plain', is: 'warning' },
  { brokers: ['kafka.example:9092'], isTls: false, mechanism: 'scram-sha-512', is: 'hint' },
  { brokers: ['kafka.example:9092'], isTls: false, mechanism: undefined, is: 'hint' },
  { brokers: ['localhost:9092', '127.0.0.1:9092', '[::1]:9092'], isTls: false, mechanism: 'plain', is: 'ok' },
  { brokers: ['localhost:9092', 'kafka.example:9092'], isTls: false, mechanism: 'plain', is: 'warning' },
  { brokers: ['localhost.example:9092'], isTls: false, mechanism: 'plain', is: 'warning' },
] as const)('$brokers, TLS $isTls, SASL $mechanism: $is', ({ brokers, isTls, mechanism, is }) => {
  const { status, found } = judgeKafkaTransport(brokers, isTls, mechanism)
  expect(status).toBe(is)
  for (const broker of brokers) expect(found).toContain(broker)
})

test('dead letters of the last day are warned of, with how to send them again', () => {
  expect(judgeDeadLetters({ value: 0 }).status).toBe('ok')
  expect(judgeDeadLetters({ unread: 'not allowed' }).status).toBe('unknown')
  expect(judgeDeadLetters({ value: 3 })).toMatchObject({
    status: 'warning',
    found: expect.stringMatching(/^3 records/),
    mend: expect.stringContaining('replay --dead-letters'),
  })
})

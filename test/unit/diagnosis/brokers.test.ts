import { expect, test } from 'vitest'
import { checkKafkaTransport } from '../../../src/diagnosis/brokers.ts'
import { checkDeadLetters } from '../../../src/diagnosis/group.ts'

test.each([
  { brokers: ['kafka.example:9093'], isTls: true, mechanism: 'plain', is: 'ok' },
  { brokers: ['kafka.example:9092'], isTls: false, mechanism: 'plain', is: 'warning' },
  { brokers: ['kafka.example:9092'], isTls: false, mechanism: 'scram-sha-512', is: 'hint' },
  { brokers: ['kafka.example:9092'], isTls: false, mechanism: undefined, is: 'hint' },
  { brokers: ['localhost:9092', '127.0.0.1:9092', '[::1]:9092'], isTls: false, mechanism: 'plain', is: 'ok' },
  { brokers: ['localhost:9092', 'kafka.example:9092'], isTls: false, mechanism: 'plain', is: 'warning' },
  { brokers: ['localhost.example:9092'], isTls: false, mechanism: 'plain', is: 'warning' },
] as const)('$brokers, TLS $isTls, SASL $mechanism: $is', ({ brokers, isTls, mechanism, is }) => {
  const { severity, text } = checkKafkaTransport(brokers, isTls, mechanism)
  expect(severity).toBe(is)
  for (const broker of brokers) expect(text).toContain(broker)
})

test('dead letters of the last day are warned of, with how to send them again', () => {
  expect(checkDeadLetters({ value: 0 }).severity).toBe('ok')
  expect(checkDeadLetters({ unread: 'not allowed' }).severity).toBe('unknown')
  expect(checkDeadLetters({ value: 3 })).toMatchObject({
    severity: 'warning',
    text: expect.stringMatching(/^3 records/),
    remedy: expect.stringContaining('replay --dead-letters'),
  })
})

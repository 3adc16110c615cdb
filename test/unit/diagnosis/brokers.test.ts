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

test('dead letters of the last day are warned of: whose they are, what can be sent again, and how the finding ends', () => {
  const none = { topic: 'dlt', count: 0, readable: 0, ofOthers: 0, isPart: false }
  const last = { from: 'events/2/7', reason: 'sessionId: is missing', atMs: Date.UTC(2026, 0, 31) }
  expect(checkDeadLetters({ value: none }).severity).toBe('ok')
  expect(checkDeadLetters({ unread: 'not allowed' }).severity).toBe('unknown')
  expect(checkDeadLetters({ value: { ...none, ofOthers: 12 } })).toMatchObject({
    severity: 'ok',
    text: expect.stringContaining('12 on dlt'),
  })
  const found = checkDeadLetters({ value: { ...none, count: 3, readable: 2, ofOthers: 12, last } })
  expect(found.severity).toBe('warning')
  for (const part of [
    /^3 record/,
    /events\/2\/7 at 2026-01-31/,
    /sessionId: is missing/,
    /2 of them/,
    /12 on dlt/,
  ])
    expect(found.text).toMatch(part)
  expect(found.remedy).toMatch(/^fix the cause.*replay --dead-letters.*a day after the last one/)
  const mended = checkDeadLetters({ value: { ...none, count: 3, readable: 3, last } })
  expect(mended.remedy).toMatch(/^run logout-relay replay --dead-letters/)
})

import { expect, test } from 'vitest'
import { Readiness, type ReadinessParts } from '../../../src/app/readiness.ts'
import type { CheckName } from '../../../src/diagnosis/check-names.ts'
import type { Finding } from '../../../src/diagnosis/finding.ts'
import { RelayFault } from '../../../src/lib/errors.ts'

const error = (check: CheckName): Finding => ({ check, severity: 'error', text: check, remedy: 'mend it' })

/** A relay that has come no further yet. */
const starting = (...errors: Finding[]): ReadinessParts => ({
  redis: { isUp: true },
  guard: { isIntact: false },
  checkup: { errors },
  repeats: { lasting: () => ({ outcomes: 'publishing outcomes has failed' }) },
  stopping: new AbortController().signal,
})
const partsOf = (readiness: Readiness, parts: ReadinessParts) => Object.keys(readiness.notReady(parts))

test('the cause comes first, and what waits for it after it', () => {
  const readiness = new Readiness()
  readiness.failed('kafka', new RelayFault('LR_TOPIC_MISSING', 'topic t does not exist'))
  const found = starting(error('key-published'), error('issuer-known'))
  expect(partsOf(readiness, found)).toEqual([
    'issuer-known',
    'key-published',
    'registry',
    'kafka',
    'outcomes',
  ])
  expect(partsOf(readiness, { ...found, redis: { isUp: false } })[0]).toBe('redis')
})

test('a Kafka that fails is a cause, until the relay is a member', () => {
  const readiness = new Readiness()
  readiness.failed('kafka', new RelayFault('LR_UNAVAILABLE', 'no broker answers'))
  const found = starting(error('key-published'))
  const [first] = Object.entries(readiness.notReady(found))
  expect(first).toEqual(['kafka', 'not a member of the consumer group: no broker answers'])
  readiness.letIn('kafka')
  expect(partsOf(readiness, found)[0]).toBe('key-published')
  readiness.failed('kafka', new RelayFault('LR_REFUSED', 'Kafka: it rejects the password'))
  expect(Object.entries(readiness.notReady(found))[0]).toEqual(['kafka', 'Kafka: it rejects the password'])
  readiness.becameMember(true)
  expect(partsOf(readiness, found)).toEqual(['key-published', 'registry', 'outcomes'])
})

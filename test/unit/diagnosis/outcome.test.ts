import { describe, expect, test } from 'vitest'
import type { Area, DoctorCheck } from '../../../src/diagnosis/doctor-checks.ts'
import type { Status } from '../../../src/diagnosis/judgement.ts'
import type { Observation } from '../../../src/diagnosis/observation.ts'
import { outcomeOf, summaryOf } from '../../../src/diagnosis/outcome.ts'

const seen = (
  status: Status,
  check: DoctorCheck = 'rp-answer',
  area: Area = 'relying-party',
): Observation => ({
  area,
  check,
  status,
  found: '',
})

describe('a run comes to', () => {
  const configuration = seen('problem', 'configuration', 'configuration')
  const kafkaAway = seen('problem', 'kafka-reachable', 'kafka')
  const redisAway = seen('problem', 'redis-reachable', 'redis')
  test.each([
    { name: 'nothing but what is well', of: [seen('ok')], is: 'well' },
    {
      name: 'hints, warnings and what is not known',
      of: [seen('hint'), seen('warning'), seen('unknown')],
      is: 'well',
    },
    { name: 'a problem', of: [seen('ok'), seen('problem')], is: 'problem' },
    { name: 'Kafka away', of: [seen('problem'), kafkaAway], is: 'unreachable' },
    { name: 'Redis away', of: [redisAway, seen('problem')], is: 'unreachable' },
    {
      name: 'a wrong configuration, which is to be mended first',
      of: [redisAway, configuration],
      is: 'misconfigured',
    },
  ])('$is with $name', ({ of, is }) => {
    expect(outcomeOf(of)).toBe(is)
  })
})

test('the summary counts what there is', () => {
  const all = [seen('ok'), seen('ok'), seen('warning'), seen('problem'), seen('problem'), seen('unknown')]
  expect(summaryOf(all)).toBe('2 ok, 1 warning, 2 problems, 1 unknown')
  expect(summaryOf([])).toBe('')
})

import { expect, test } from 'vitest'
import { compileRules } from '../../../../../src/events/decoding/mapping/compile-rules.ts'
import { MappingDecoder } from '../../../../../src/events/decoding/mapping/mapping.ts'

const { rules } = compileRules([
  { name: 'logout', when: 'value.type == "LOGOUT"', emit: [] },
  { name: 'never', when: 'value.type == "NEVER"', emit: [] },
])
const mapping = { topics: ['kc.*'], rules, split: '/events' }
const record = (value: object, topic = 'kc.a') => ({
  ...{ topic, partition: 0, offset: 0, timestampMs: 1, key: null, headers: {} },
  value: Buffer.from(JSON.stringify(value)),
})

test('it is counted what each rule has taken, and what none has, also of the elements of a list', () => {
  const decoder = new MappingDecoder([mapping])
  const decode = (value: object, topic?: string) =>
    decoder.decode(record(value, topic), {}, () => ({ kind: 'json', json: value }))
  const one = { type: 'LOGOUT' }
  for (const value of [one, { type: 'LOGIN' }, { events: [one, one, { type: 'REGISTER' }] }]) decode(value)
  decode(one, 'of-nobody')
  expect(rules.map((rule) => decoder.taken.get(rule))).toEqual([3, undefined])
  expect([...decoder.untaken]).toEqual([[mapping, 2]])
  decoder.use([mapping])
  expect([decoder.taken.size, decoder.untaken.size]).toEqual([0, 0])
})

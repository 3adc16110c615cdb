import { expect, test } from 'vitest'
import { isSelected, isTopic, patternOf } from '../../../src/events/topic-selection.ts'

test.each([
  ['a.*', 'a.b', true],
  ['a.*', 'a.', true],
  ['a.*', 'ab', false],
  ['*.b', 'a.b', true],
  ['a*b*c', 'a-b-b-c', true],
  ['a*a', 'a', false],
  ['a*bc*c', 'abc', false],
  ['a.b', 'a.b', true],
  // No other character is special.
  ['a.b', 'a-b', false],
])('%s, %s: %s', (name, topic, is) => {
  expect(isTopic(name, topic)).toBe(is)
})

const selection = {
  names: ['events', '__named', 'outcomes.named'],
  patterns: ['out*', '*s', '__*', 'dead*'],
  excluded: ['outcomes', 'outcomes.named', 'dead-letters', 'outcomes.shadow'],
}

test('a pattern brings neither topics of Kafka nor those that the relay writes, unless they are named', () => {
  const all = [
    ...['events', 'logins', 'outcomes', 'outcomes.named', 'outcomes.shadow', 'outgoing', 'dead-letters'],
    ...['__consumer_offsets', '__named', 'other'],
  ]
  expect(all.filter((topic) => isSelected(selection, topic))).toEqual([
    ...['events', 'logins', 'outcomes.named', 'outgoing', '__named'],
  ])
})

test('a topic belongs to the first pattern that matches, and to none if it is named', () => {
  expect(['outs', 'logins', 'events'].map((topic) => patternOf(selection, topic))).toEqual([
    ...['out*', '*s', undefined],
  ])
})

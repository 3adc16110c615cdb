import { expect, test } from 'vitest'
import { InputTopics, MATCHED_TOPICS_MAX } from '../../../src/intake/input-topics.ts'

function topicsOf(names: readonly string[], patterns: readonly string[]) {
  const cluster = { topics: [] as readonly string[], looks: 0 }
  const inputs = new InputTopics(
    { names, patterns, excluded: ['kc.outcomes'] },
    {
      names: async () => {
        cluster.looks++
        return cluster.topics
      },
    },
  )
  return { cluster, inputs }
}

test('topics that match are read beside those that are named, which need not exist', async () => {
  const { cluster, inputs } = topicsOf(['named'], ['kc.*', 'x*'])
  expect(inputs.names).toEqual(['named'])
  cluster.topics = ['other', 'kc.b', 'kc.outcomes', 'kc.a']
  expect(await inputs.look()).toEqual(['named', 'kc.a', 'kc.b'])
  expect(inputs.uses()).toEqual([
    { pattern: 'kc.*', matches: 2 },
    { pattern: 'x*', matches: 0 },
  ])
})

test('without patterns nobody is asked', async () => {
  const { cluster, inputs } = topicsOf(['a', 'b'], [])
  expect(await inputs.look()).toEqual(['a', 'b'])
  expect(cluster.looks).toBe(0)
})

test('whether a topic that need not exist is there is seen also where a wider pattern brings it', async () => {
  const { cluster, inputs } = topicsOf([], ['hooks.*'])
  cluster.topics = ['hooks.okta']
  inputs.makeOptional(['hooks.okta', 'hooks.ory'])
  expect(await inputs.look()).toEqual(['hooks.okta'])
  expect(inputs.uses()).toEqual([
    { pattern: 'hooks.*', matches: 1 },
    { pattern: 'hooks.okta', matches: 1 },
    { pattern: 'hooks.ory', matches: 0 },
  ])
})

test('a topic that need not exist is read from when it does, unless the relay writes there itself', async () => {
  const { cluster, inputs } = topicsOf(['named', 'hooks', 'kc.outcomes'], [])
  inputs.makeOptional(['hooks', 'kc.outcomes', 'other'])
  expect(await inputs.look()).toEqual(['named', 'kc.outcomes'])
  expect(inputs.uses()).toEqual([{ pattern: 'hooks', matches: 0 }])
  cluster.topics = ['hooks', 'hooks-2']
  expect(await inputs.look()).toEqual(['named', 'kc.outcomes', 'hooks'])
  // As one of a pattern it is read from its beginning: what was written before the relay noticed counts.
  expect(inputs.isOf(new Set(['hooks']), 'hooks')).toBe(true)
  expect(inputs.isSelected('hooks')).toBe(true)
})

test('as long as nothing changes, so does the list', async () => {
  const { cluster, inputs } = topicsOf([], ['kc.*'])
  cluster.topics = ['kc.a', 'kc.b']
  const before = await inputs.look()
  cluster.topics = ['kc.b', 'kc.a', 'other']
  expect(await inputs.look()).toBe(before)
})

test('a topic that one look misses stays, one that two miss leaves', async () => {
  const { cluster, inputs } = topicsOf([], ['kc.*'])
  cluster.topics = ['kc.a', 'kc.b']
  await inputs.look()
  cluster.topics = ['kc.b']
  expect(await inputs.look()).toEqual(['kc.a', 'kc.b'])
  cluster.topics = ['kc.a', 'kc.b']
  await inputs.look()
  cluster.topics = ['kc.b']
  expect(await inputs.look()).toEqual(['kc.a', 'kc.b'])
  expect(await inputs.look()).toEqual(['kc.b'])
})

test('there is an end to the topics of patterns, and what is left out is counted', async () => {
  const { cluster, inputs } = topicsOf(['named'], ['kc.*'])
  cluster.topics = Array.from({ length: MATCHED_TOPICS_MAX + 3 }, (_, i) => `kc.${i}`)
  expect(await inputs.look()).toHaveLength(MATCHED_TOPICS_MAX + 1)
  expect(inputs.left).toBe(3)
})

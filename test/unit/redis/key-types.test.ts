import { expect, test } from 'vitest'
import { isEarlierLayout, layoutOf, singleKeys } from '../../../src/redis/key-types.ts'
import { RedisKeys } from '../../../src/redis/redis-keys.ts'

test.each(['lr', 'lr:staging', 'a.b-c_d'])(
  'every key that the relay makes with the prefix %s has a type',
  (prefix) => {
    const makers = Object.getOwnPropertyNames(RedisKeys.prototype).filter((name) => name !== 'constructor')
    const all = (['live', 'shadow'] as const).flatMap((mode) => {
      const keys = new RedisKeys(prefix, mode) as unknown as Record<string, (...names: string[]) => string>
      return makers.map((name) => keys[name]?.('https://op.example|a:b', 'id with {braces}\n') as string)
    })
    const made = [...new Set(all)]
    expect(made.length).toBeGreaterThan(8)
    expect(made.filter((key) => layoutOf(prefix, key).type === undefined)).toEqual([])
    const singles = made.filter((key) => layoutOf(prefix, key).isSingle)
    expect(singleKeys(prefix).sort()).toEqual(singles.sort())
  },
)

test.each([
  'lr:cart:7',
  'lr:session',
  'lr:session:7',
  'lr:Session:{x}',
  'lr:constructor',
  'lr:toString:{x}',
  'lr:',
])('%s is not known', (key) => {
  expect(layoutOf('lr', key)).toEqual({ type: undefined, isSingle: false })
})

test('a set of a user’s sessions was written by an earlier version, and nothing else is of one', () => {
  expect(isEarlierLayout('lr:a', 'lr:a:user:{i|u}', 'set')).toBe(true)
  expect(isEarlierLayout('lr:a', 'lr:a:user:{i|u}', 'list')).toBe(false)
  expect(isEarlierLayout('lr:a', 'lr:a:session:{i|u}', 'set')).toBe(false)
  expect(isEarlierLayout('lr:a', 'lr:a:user', 'set')).toBe(false)
})

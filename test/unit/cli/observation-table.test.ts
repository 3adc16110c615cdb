import { expect, test } from 'vitest'
import { linesOf } from '../../../src/cli/observation-table.ts'
import type { Observation } from '../../../src/diagnosis/observation.ts'

const observation: Observation = {
  area: 'redis',
  check: 'redis-eviction',
  about: 'lr',
  status: 'warning',
  found: 'Redis runs with a policy by which it drops what it needs for logouts',
  mend: 'set maxmemory-policy to noeviction, and then look again at this',
}

test('what to do stands below what was found', () => {
  expect(linesOf([observation], Number.POSITIVE_INFINITY)).toEqual([
    { status: 'warning', check: 'redis-eviction', about: 'lr', text: observation.found },
    { status: '', check: '', about: '', text: `→ ${observation.mend}` },
  ])
})

test('on a terminal long texts are broken between words', () => {
  const texts = linesOf([observation], 80).map(({ text }) => text)
  expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(80 - 27)
  expect(texts.filter((text) => text.startsWith('→'))).toHaveLength(1)
  expect(texts.at(-1)).toMatch(/^ {2}/)
})

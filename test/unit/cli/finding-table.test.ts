import { expect, test } from 'vitest'
import { linesOf } from '../../../src/cli/finding-table.ts'
import type { ExaminedFinding } from '../../../src/diagnosis/examination.ts'

const finding: ExaminedFinding = {
  area: 'redis',
  check: 'redis-eviction',
  about: 'lr',
  severity: 'warning',
  text: 'Redis runs with a policy by which it drops what it needs for logouts',
  remedy: 'set maxmemory-policy to noeviction, and then look again at this',
}

test('what to do stands below what was found', () => {
  expect(linesOf([finding], Number.POSITIVE_INFINITY)).toEqual([
    { severity: 'warning', check: 'redis-eviction', about: 'lr', text: finding.text },
    { severity: '', check: '', about: '', text: `→ ${finding.remedy}` },
  ])
})

test('on a terminal long texts are broken between words', () => {
  const texts = linesOf([finding], 80).map(({ text }) => text)
  expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(80 - 29)
  expect(texts.filter((text) => text.startsWith('→'))).toHaveLength(1)
  expect(texts.at(-1)).toMatch(/^ {2}/)
})

import { expect, test } from 'vitest'
import type { ExaminedFinding } from '../../../src/diagnosis/examination.ts'
import { foldIssuers } from '../../../src/diagnosis/fold-issuers.ts'

const finding = (text: string, more: Partial<ExaminedFinding> = {}): ExaminedFinding => ({
  ...{ area: 'issuer', check: 'key-published', severity: 'warning', text, remedy: 'publish it' },
  ...more,
})
const issuers = Array.from({ length: 12 }, (_, i) => `https://t${i}.example`)

test('what twelve issuers have alike is told once, with all of their names for machines and some for people', () => {
  const folded = foldIssuers(
    issuers.map((issuer, i) => ({
      issuer,
      names: [`keys/${i}.json`],
      findings: [
        finding(`kid k${i} is not in the JWK set of ${issuer}`, { about: `k${i}` }),
        finding(`${i} key(s)`, { check: 'keys-file', severity: 'ok', remedy: undefined }),
      ],
    })),
  )
  expect(folded).toMatchObject([
    { check: 'key-published', severity: 'warning', about: '12 issuers', issuers, remedy: 'publish it' },
    { check: 'keys-file', severity: 'ok', issuers },
  ])
  expect(folded[0]?.text).toMatch(/^kid k0 .*the like, for 12 issuer.*t0.*t4\.example, …/)
})

test('what is wrong in another way stands alone, under its issuer', () => {
  const [first = '', second = ''] = issuers
  const folded = foldIssuers([
    { issuer: first, names: [], findings: [finding('it redirects', { about: 'k1' })] },
    { issuer: second, names: [], findings: [finding('it answers 500')] },
  ])
  expect(folded.map(({ about, text }) => [about, text])).toEqual([
    [`${first} k1`, 'it redirects'],
    [second, 'it answers 500'],
  ])
  expect(folded.some((it) => it.issuers !== undefined)).toBe(false)
})

import { expect, test } from 'vitest'
import type { RuleUse } from '../../../src/diagnosis/facts.ts'
import { ruleChecks } from '../../../src/diagnosis/rules.ts'
import { troubles } from './sample-facts.ts'

const use = (rule: string | undefined, records: number, isOfPreset = false): RuleUse => ({
  ...{ mapping: 'kc.*', rule, records, isOfPreset },
})
const found = (...uses: readonly RuleUse[]) =>
  troubles(ruleChecks.flatMap(({ find }) => find({ uses, sinceMs: Date.UTC(2026, 0, 31) })))

test('rules that took nothing of the last records are named, with these: ones of the operator louder than ones of a preset', () => {
  const told = found(use('login', 7), use('logout', 0), use('expired', 0, true), use(undefined, 3))
  expect(told).toMatchObject([
    { severity: 'warning', about: 'kc.*', text: expect.stringMatching(/logout.*last 10 record.*2026-01-31/) },
    { severity: 'hint', about: 'kc.* preset', text: expect.stringContaining('expired') },
  ])
  expect(told[0]?.text).not.toContain('expired')
})

test('rules of which none takes anything read another format than the records have, whosever they are', () => {
  expect(found(use('expired', 0, true), use(undefined, 3))).toMatchObject([
    { severity: 'warning', text: expect.stringContaining('no rule') },
  ])
})

test('without records, without rules, and where every rule is used nothing is wrong', () => {
  expect(found(use('login', 0), use(undefined, 0))).toEqual([])
  expect(found(use('login', 1))).toEqual([])
  expect(troubles(ruleChecks.flatMap(({ find }) => find(undefined)))).toEqual([])
})

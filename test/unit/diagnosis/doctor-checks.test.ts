import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkNames } from '../../../src/diagnosis/check-names.ts'
import { areas, checksOf } from '../../../src/diagnosis/doctor-checks.ts'

const all = areas.flatMap(checksOf)

test('every check of the service and of the doctor belongs to one area', () => {
  expect(new Set(all).size).toBe(all.length)
  expect(checkNames.filter((name) => !all.includes(name))).toEqual([])
})

test('the README says of every check what it means and what to do, and of no other', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const [, section = ''] = readme.split('\n### Doctor findings\n')
  const rows = [
    ...(section.split(/\n###? /, 1)[0] as string).matchAll(/^\| `([\w-]+)` \| (.+) \| (.+) \|$/gm),
  ]
  expect(rows.map(([, check]) => check).sort()).toEqual([...all].sort())
})

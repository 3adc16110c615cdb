import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('V8 knows the option that is set at run time, where an unknown one is passed over', () => {
  const preload = readFileSync(new URL('../../src/optimize-sooner.mjs', import.meta.url), 'utf8')
  const option = /setFlagsFromString\('(--[a-z-]+)=\d+'\)/.exec(preload)?.[1]
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  expect(known).toContain(`${option} (`)
})

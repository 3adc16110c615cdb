import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('V8 knows the options that are set at run time, where an unknown one is passed over', () => {
  const preload = readFileSync(new URL('../../src/optimize-sooner.mjs', import.meta.url), 'utf8')
  const names = [...preload.matchAll(/setFlagsFromString\('--(?:no-)?([a-z-]+)/g)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(0)
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  for (const name of names) expect(known).toContain(`--${name} (`)
})

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
  scripts: Record<string, string>
}

/** Of this Node.js, as though it were an old one: it is asked for nothing but its version. */
const asOld = [
  '--import',
  'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.1.0"})',
]

test.each([
  ['the command', ['src/bin.mjs', '--version']],
  ['the program', ['src/main.ts', '--version']],
  ['what npm start runs first', (scripts.prestart ?? '').split(' ').slice(1)],
])('%s says which Node.js it needs', (_, args) => {
  const { status, stderr } = spawnSync(process.execPath, [...asOld, ...args], { cwd: root, encoding: 'utf8' })
  expect(stderr).toMatch(/needs Node\.js 24 or newer/)
  expect(status).toBe(2)
  expect(spawnSync(process.execPath, args, { cwd: root }).status).toBe(0)
})

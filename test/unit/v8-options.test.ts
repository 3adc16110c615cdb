import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const v8Options = (command: string): string[] => command.match(/--[a-z-]+(=\d+)?(?= --| src|$)/g) ?? []

test('V8 knows the option that is set at run time, where an unknown one is passed over', () => {
  const option = /setFlagsFromString\('(--[a-z-]+)=\d+'\)/.exec(read('src/runtime/optimize-sooner.ts'))?.[1]
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  expect(known).toContain(`${option} (`)
})

const [shebang = '', ...command] = read('src/bin.mjs').split('\n')

test('the installed command runs with the V8 options of `npm start`', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } }
  const [start = ''] = scripts.start.split(' --import')
  const atRunTime = [...command.join('\n').matchAll(/setFlagsFromString\('(.+?)'\)/g)].map(
    ([, option]) => option,
  )
  expect(v8Options(start)).toContain('--no-maglev')
  expect([...atRunTime, ...v8Options(shebang)]).toEqual(v8Options(start))
})

test.each([['serve'], ['env']])(
  'an --env-file of `%s` is read by the relay, not by Node.js before it',
  (name) => {
    const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` }
    const command = new URL('../../src/bin.mjs', import.meta.url).pathname
    const { status, stderr } = spawnSync(command, [name, '--env-file', '/nowhere'], { env })
    expect(String(stderr)).toMatch(/^logout-relay: error: --env-file: .*\/nowhere/)
    expect(status).toBe(2)
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } }
    expect(scripts.start).toContain(' -- src/')
  },
)

test('an old Node.js is told that it is too old, not that an option is bad: its V8 knows those it is started with', () => {
  // Seen to be taken by Node.js 14, 16, 18, 20 and 22.
  const old = [
    '--no-allocation-site-pretenuring',
    '--max-semi-space-size=8',
    '--initial-old-space-size=56',
    '--heap-growing-percent=70',
  ]
  expect(v8Options(shebang)).toEqual(old)
})

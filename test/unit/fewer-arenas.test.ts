import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const preload = new URL('../../src/runtime/fewer-arenas.mjs', import.meta.url).href
const script = new URL('../support/say-hello.mjs', import.meta.url)

test.runIf(process.platform === 'linux')(
  'a process starts again in its own place, with one arena',
  async () => {
    const { MALLOC_ARENA_MAX: _, ...env } = process.env
    const child = spawn(process.execPath, ['--import', preload, script.pathname, 'as', 'before'], { env })
    const said = JSON.parse(await text(child.stdout))
    expect(said).toEqual({ pid: child.pid, arenas: '1', args: ['as', 'before'] })
  },
)

test('a process with a channel to its parent keeps that', async () => {
  const { MALLOC_ARENA_MAX: _, ...env } = process.env
  const child = fork(script, { execArgv: ['--import', preload], env, silent: true })
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')])
  expect(message).toBe('hello')
})

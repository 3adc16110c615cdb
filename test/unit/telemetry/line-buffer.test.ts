import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { parseLogLine } from '../../support/relay-log.ts'

/** 100 MB, which nobody reads meanwhile. */
const LINES = 100_000
/** Mebibytes. What may wait takes four, V8 gives some of what is garbage back late. */
const RESIDENT_MORE_MAX = 40

/** Writes its lines, tells, and goes on when it is told to. */
const WRITER = `
  import { once } from 'node:events'
  import { createLog } from './src/telemetry/log.ts'
  const { logger, dropped, written } = createLog('info')
  const padding = 'x'.repeat(950)
  const tell = (it) => process.stderr.write(JSON.stringify(it) + '\\n')
  logger.info('first')
  await written(10_000)
  const before = process.memoryUsage().rss
  for (let n = 0; n < ${LINES}; n++) {
    logger.info({ n, padding })
    if (n % 1_000 === 0) await new Promise(setImmediate)
  }
  const isWritten = await written(100)
  tell({ isWritten, dropped: dropped(), moreMib: (process.memoryUsage().rss - before) / 2 ** 20 })
  await once(process.stdin, 'data')
  while (!(await written(10_000)));
  logger.info('afterwards')
  await written(10_000)
  process.exit()`

function startWriter(): ChildProcessByStdio<Writable, Readable, Readable> {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const child = spawn(process.execPath, ['--input-type=module', '--eval', WRITER], {
    cwd: root,
    stdio: 'pipe',
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

test('lines that nobody reads are dropped and counted: they filled the memory', async () => {
  const child = startWriter()
  const [report] = (await once(createInterface({ input: child.stderr }), 'line')) as [string]
  const { isWritten, dropped, moreMib } = JSON.parse(report) as Record<string, number>
  expect(isWritten).toBe(false)
  expect(dropped).toBeGreaterThan(LINES / 2)
  expect(moreMib).toBeLessThan(RESIDENT_MORE_MAX)

  // The reader is back.
  child.stdin.write('\n')
  const lines = (await text(child.stdout)).trimEnd().split('\n').map(parseLogLine)
  const kept = LINES - Number(dropped)
  expect(lines.slice(1, -2).map(({ n }) => n)).toEqual(Array.from({ length: kept }, (_, n) => n))
  expect(lines.at(-2)).toMatchObject({ level: 'warn', lines: dropped })
  expect(lines.at(-1)?.msg).toBe('afterwards')
})

test('a reader that is gone does not end the writer', async () => {
  const child = startWriter()
  child.stdout.destroy()
  const [report] = (await once(createInterface({ input: child.stderr }), 'line')) as [string]
  expect(JSON.parse(report).moreMib).toBeLessThan(RESIDENT_MORE_MAX)
  const exited = once(child, 'exit')
  child.stdin.write('\n')
  expect(await exited).toEqual([0, null])
})

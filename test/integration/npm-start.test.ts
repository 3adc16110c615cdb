import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { type LogLine, parseLogLine } from '../support/relay-log.ts'
import { openSite } from './open-site.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('a relay whose npm gets SIGTERM drains and ends: it is not left behind', async () => {
  const site = await openSite()
  onTestFinished(() => site.close())
  const npm = spawn('npm', ['start'], {
    cwd: root,
    // npm finds the Node.js that runs this test first.
    env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, ...site.commandEnvironment() },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, so that nothing of it outlives the test.
    detached: true,
  })
  onTestFinished(() => endGroup(npm.pid as number))
  const lines: LogLine[] = []
  const output = createInterface({ input: npm.stdout }).on('line', (line) => lines.push(parseLogLine(line)))
  // Only the relay itself holds its standard output open when npm and the shell are gone.
  const relayEnded = once(output, 'close')
  await eventually(() => expect(lines).toContainEqual(expect.objectContaining({ msg: 'consuming' })))
  npm.kill('SIGTERM')
  await relayEnded
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'stopped', unsettled: 0 }))
})

function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch (error) {
    // As it should be: nothing of it is left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

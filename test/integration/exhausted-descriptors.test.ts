import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('../support/exhausted-sender.ts', import.meta.url))

test('without a file descriptor left attempts fail with what says that it lies here, by address and by name', async () => {
  const child = spawn('sh', ['-c', 'ulimit -n 128 && exec "$0" "$1"', process.execPath, script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [codes] = await once(child, 'message')
  expect(codes).toEqual(['EMFILE', 'EMFILE', 'EMFILE', 'LR_LOCAL'])
})

import { afterEach } from 'vitest'
import { launchedRelays } from './relay-process.ts'

const LINES_MAX = 60

/** What the relays of a failed test had to say; a failure that comes once in a hundred runs cannot be asked again. */
afterEach(({ task }) => {
  if (task.result?.state === 'fail') {
    for (const relay of launchedRelays) {
      const lines = relay.log.slice(-LINES_MAX).map((line) => JSON.stringify(line))
      process.stderr.write(`\nrelay ${relay.pid} in "${task.name}":\n${lines.join('\n')}\n`)
    }
  }
  launchedRelays.clear()
})

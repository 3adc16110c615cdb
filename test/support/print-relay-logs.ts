import { afterEach } from 'vitest'
import { launchedRelays } from './relay-process.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** What the relays of a failed test had to say last, for the end of the run's output. */
    relayLogs?: string[]
  }
}

const LINES_MAX = 60

/** What the relays of a failed test had to say; a failure that comes once in a hundred runs cannot be asked again. */
afterEach(({ task }) => {
  if (task.result?.state === 'fail') {
    task.meta.relayLogs = [...launchedRelays].map((relay) => {
      const lines = relay.log.slice(-LINES_MAX).map((line) => JSON.stringify(line))
      return `relay ${relay.pid} in "${task.name}":\n${lines.join('\n')}`
    })
  }
  launchedRelays.clear()
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('last-will.sh', import.meta.url))

/** A command that runs once: on `execute()`, or when this process has ended before that, however it ended. */
export interface LastWill {
  /** Resolves when the command has run; rejects when it failed every time in about five seconds. Idempotent. */
  execute(): Promise<void>
}

export function leaveLastWill(command: string, args: readonly string[]): LastWill {
  // A session of its own, so that Ctrl-C in the terminal does not end the script before its command ran.
  const child = spawn('sh', [script, command, ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  const exited = once(child, 'exit').then(([code]) => {
    if (code !== 0) throw new Error(`${[command, ...args].join(' ')} failed`)
  })
  // Nobody awaits this before `execute()`.
  exited.catch(() => {})
  return {
    execute() {
      child.stdin.end()
      return exited
    },
  }
}

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** As `npm start` does: a command starts in half the time. */
const preload = ['--import', './src/compile-cache.mjs']
const RUN_MS_MAX = 40_000
/** A list of some thousand rows. */
const OUTPUT_BYTES_MAX = 64 * 1_024 * 1_024

export interface FinishedCommand {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output as lines of JSON; throws when it is something else. */
  readonly json: readonly Record<string, unknown>[]
}

/** Runs the relay's command line as a process of its own, with exactly these settings. One that does not end is killed. */
export function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
): Promise<FinishedCommand> {
  const options = {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env.PATH, ...env },
    timeout: RUN_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
    killSignal: 'SIGKILL' as const,
  }
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...preload, 'src/main.ts', ...args],
      options,
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({
          status,
          stdout,
          stderr,
          get json() {
            const lines = stdout.split('\n').filter((line) => line !== '')
            return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
          },
        })
      },
    )
    // A command that refuses its arguments ends before it reads.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

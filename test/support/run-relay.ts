import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const RUN_MS_MAX = 20_000

export interface FinishedRun {
  readonly status: number
  readonly output: string
  readonly durationMs: number
}

/**
 * Runs `serve` with exactly these settings, for runs that end by themselves, or by SIGTERM as soon as `mayStop`
 * resolves. One that does not end is killed.
 */
export function runRelay(
  env: Readonly<Record<string, string>>,
  mayStop?: Promise<unknown>,
): Promise<FinishedRun> {
  const startedAtMs = performance.now()
  const options = {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env.PATH, ...env },
    timeout: RUN_MS_MAX,
    killSignal: 'SIGKILL' as const,
  }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['src/main.ts', 'serve'], options, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ status, output: stdout + stderr, durationMs: performance.now() - startedAtMs })
    })
    mayStop?.finally(() => child.kill('SIGTERM')).catch(() => undefined)
  })
}

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PATIENCE_MS } from './patience.ts'

/** Well over what a wait for something in the run may take. */
const RUN_MS_MAX = 2 * PATIENCE_MS
/** What is compiled is kept between runs, as `npm start` keeps it. */
const ARGUMENTS = ['--import', './src/runtime/compile-cache.mjs', 'src/main.ts', 'serve']

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
    const child = execFile(process.execPath, ARGUMENTS, options, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ status, output: stdout + stderr, durationMs: performance.now() - startedAtMs })
    })
    mayStop?.finally(() => child.kill('SIGTERM')).catch(() => undefined)
  })
}

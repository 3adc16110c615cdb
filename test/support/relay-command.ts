import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const RUN_MS_MAX = 40_000

export interface FinishedCommand {
  readonly status: number
  /** The lines of standard output that are JSON. */
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** The command is interrupted as soon as it resolves. */
  readonly interrupt?: Promise<unknown>
}

/** Runs a command of the relay with exactly these settings. One that does not end is killed. */
export async function relayCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { interrupt }: CommandOptions = {},
): Promise<FinishedCommand> {
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX)
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
  }
  interrupt?.then(() => child.kill('SIGINT')).catch(() => undefined)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  const lines = texts.stdout.split('\n').filter((line) => line.startsWith('{'))
  return { status: code ?? -1, rows: lines.map((line) => JSON.parse(line)), ...texts }
}

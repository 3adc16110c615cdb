import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PATIENCE_MS } from './patience.ts'

const RUN_MS_MAX = 2 * PATIENCE_MS

export interface FinishedCommand {
  readonly status: number
  /** The lines of standard output that are JSON. */
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** What it reads on its standard input; nothing when missing. */
  readonly input?: string | Buffer
  /** The command is interrupted as soon as it resolves. */
  readonly interrupt?: Promise<unknown>
  /** The command is killed, with no time to put anything in order, as soon as it resolves. */
  readonly kill?: Promise<unknown>
  /** Called for each line of JSON as it comes. */
  readonly onRow?: (row: Readonly<Record<string, unknown>>) => void
}

/** Runs a command of the relay with exactly these settings. One that does not end is killed. */
export async function relayCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { input, interrupt, kill, onRow }: CommandOptions = {},
): Promise<FinishedCommand> {
  const child = spawn(
    process.execPath,
    ['--import', './src/runtime/compile-cache.mjs', 'src/main.ts', ...args],
    {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { PATH: process.env.PATH, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  )
  // One that refuses its arguments ends before it reads.
  child.stdin.on('error', () => undefined).end(input)
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX)
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
  }
  const rows: Readonly<Record<string, unknown>>[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{"')) return
    const row = JSON.parse(line) as Readonly<Record<string, unknown>>
    rows.push(row)
    onRow?.(row)
  })
  interrupt?.then(() => child.kill('SIGINT')).catch(() => undefined)
  kill?.then(() => child.kill('SIGKILL')).catch(() => undefined)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { status: code ?? -1, rows, ...texts }
}

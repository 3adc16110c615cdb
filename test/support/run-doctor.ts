import type { ExaminedFinding } from '../../src/diagnosis/examination.ts'
import { type FinishedCommand, relayCommand } from './relay-command.ts'

/** Runs `doctor` with exactly these settings. */
export function runDoctor(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<FinishedCommand> {
  return relayCommand(['doctor', ...args], env)
}

/** What a run with `--json` said, and its exit status. */
export class Examined {
  readonly status: number
  readonly output: string
  readonly all: readonly ExaminedFinding[]

  static async by(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Examined> {
    return new Examined(await runDoctor(env, '--json', ...args))
  }

  private constructor({ status, stdout, stderr, rows }: FinishedCommand) {
    this.status = status
    this.output = stdout + stderr
    this.all = rows as unknown as readonly ExaminedFinding[]
  }

  /** `severity: text` of each finding of a check, in order. */
  of(check: string): string[] {
    return this.all.filter((it) => it.check === check).map(({ severity, text }) => `${severity}: ${text}`)
  }

  /** The checks with a finding of that severity, each once, sorted. */
  with(severity: ExaminedFinding['severity']): string[] {
    return [...new Set(this.all.filter((it) => it.severity === severity).map(({ check }) => check))].sort()
  }
}

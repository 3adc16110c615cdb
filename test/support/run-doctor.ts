import type { Observation } from '../../src/diagnosis/observation.ts'
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
  readonly all: readonly Observation[]

  static async by(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Examined> {
    return new Examined(await runDoctor(env, '--json', ...args))
  }

  private constructor({ status, stdout, stderr, rows }: FinishedCommand) {
    this.status = status
    this.output = stdout + stderr
    this.all = rows as unknown as readonly Observation[]
  }

  /** `status: found` of each observation of a check, in order. */
  of(check: string): string[] {
    return this.all.filter((it) => it.check === check).map(({ status, found }) => `${status}: ${found}`)
  }

  /** The checks with an observation of that status, each once, sorted. */
  with(status: Observation['status']): string[] {
    return [...new Set(this.all.filter((it) => it.status === status).map(({ check }) => check))].sort()
  }
}

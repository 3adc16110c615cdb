import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Observation } from '../../src/doctor/observation.ts'

export interface DoctorRun {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const RUN_MS_MAX = 40_000

/** Runs `doctor` with exactly these settings. One that does not end is killed. */
export function runDoctor(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<DoctorRun> {
  const options = {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { PATH: process.env.PATH, ...env },
    timeout: RUN_MS_MAX,
    killSignal: 'SIGKILL' as const,
  }
  return new Promise((resolve) => {
    execFile(process.execPath, ['src/main.ts', 'doctor', ...args], options, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ status, stdout, stderr })
    })
  })
}

/** What a run with `--json` said, and its exit status. */
export class Examined {
  readonly status: number
  readonly output: string
  readonly all: readonly Observation[]

  static async by(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Examined> {
    return new Examined(await runDoctor(env, '--json', ...args))
  }

  private constructor({ status, stdout, stderr }: DoctorRun) {
    this.status = status
    this.output = stdout + stderr
    this.all = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Observation)
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

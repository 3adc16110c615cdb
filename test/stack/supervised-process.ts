import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('supervise.sh', import.meta.url))
const TERMINATE_TIMEOUT_MS = 60_000
const PROBE_INTERVAL_MS = 25
const LOG_TAIL_LINES = 25

export interface ProcessDescription {
  /** How messages call it. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Gets what the process prints; emptied first. */
  readonly logFile: string
  readonly cwd?: string | undefined
}

/** The process ended by itself, or was not ready in time. The message has the end of what it printed. */
export class ServerFault extends Error {
  // Private, so that a printed error does not show it beside the message.
  readonly #log: string

  constructor(message: string, log: string) {
    // Java's stack traces would leave no room for what happened.
    const lines = log.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line))
    super(`${message}; its log ends with\n${lines.slice(-LOG_TAIL_LINES).join('\n')}`)
    this.name = 'ServerFault'
    this.#log = log
  }

  /** All that the process has printed. */
  get log(): string {
    return this.#log
  }
}

/** Resolves when the process runs; whether it is of any use is another question. */
export async function startSupervised(description: ProcessDescription): Promise<SupervisedProcess> {
  const log = openSync(description.logFile, 'w')
  // A session of its own, so that Ctrl-C in the terminal reaches only this process, which ends the server in order.
  const supervisor = spawn('sh', [script, description.command, ...description.args], {
    stdio: ['pipe', log, log, 'pipe'],
    detached: true,
    cwd: description.cwd,
  })
  closeSync(log)
  const [pid] = (await once(supervisor.stdio[3] as Readable, 'data')) as [Buffer]
  return new SupervisedProcess(description, supervisor, Number(pid.toString()))
}

/** A child that ends with this process, however that ends. */
export class SupervisedProcess {
  readonly pid: number
  readonly #description: ProcessDescription
  readonly #supervisor: ChildProcess
  readonly #exited: Promise<void>

  constructor(description: ProcessDescription, supervisor: ChildProcess, pid: number) {
    this.#description = description
    this.#supervisor = supervisor
    this.pid = pid
    this.#exited = this.running ? once(supervisor, 'exit').then(() => {}) : Promise.resolve()
  }

  get running(): boolean {
    return this.#supervisor.exitCode === null && this.#supervisor.signalCode === null
  }

  /** Everything that the process has printed. */
  log(): string {
    return readFileSync(this.#description.logFile, 'utf8')
  }

  freeze(): void {
    this.#send('SIGSTOP')
  }

  thaw(): void {
    this.#send('SIGCONT')
  }

  /** Resolves when the process is gone. Idempotent. */
  async kill(): Promise<void> {
    this.#send('SIGKILL')
    await this.#exited
  }

  /** Resolves when the process is gone. One that does not go within a minute is killed, and that is an error. */
  async terminate(): Promise<void> {
    this.#send('SIGTERM')
    // A frozen process takes notice of SIGTERM only when it runs again.
    this.#send('SIGCONT')
    const patience = new AbortController()
    const impatient = delay(TERMINATE_TIMEOUT_MS, 'late', { signal: patience.signal }).catch(() => {})
    const end = await Promise.race([this.#exited, impatient])
    patience.abort()
    if (end !== 'late') return
    await this.kill()
    throw this.fault(`did not end within ${TERMINATE_TIMEOUT_MS} ms of SIGTERM`)
  }

  /** The exit status; a signal counts as 128 and its number, as in a shell. */
  async exitStatus(): Promise<number> {
    await this.#exited
    return this.#supervisor.exitCode ?? 128
  }

  /** Asks again and again until the server says that it is ready. Throws a `ServerFault` when it ends or is late. */
  async waitUntilReady(isReady: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    while (this.running) {
      if (await isReady()) return
      if (performance.now() > deadlineMs) throw this.fault(`was not ready within ${timeoutMs} ms`)
      await Promise.race([delay(PROBE_INTERVAL_MS), this.#exited])
    }
    throw this.fault(`ended at its start with status ${this.#supervisor.exitCode}`)
  }

  fault(whatHappened: string): ServerFault {
    return new ServerFault(`${this.#description.name} ${whatHappened}`, this.log())
  }

  #send(signal: NodeJS.Signals): void {
    // Once the supervisor has ended, the process id may belong to somebody else.
    if (!this.running) return
    try {
      process.kill(this.pid, signal)
    } catch (error) {
      // It ended by itself, and the supervisor is about to.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

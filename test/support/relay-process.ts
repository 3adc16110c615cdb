import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { PATIENCE_MS } from './patience.ts'
import { type LogLine, RelayLog } from './relay-log.ts'

export interface RelayOptions {
  readonly kafkaBrokers: string
  readonly redisUrl: string
  readonly issuer: string
  readonly signingKeysFile: string
  /** Further settings, by their names in the environment; they win over what is set here. */
  readonly env?: Readonly<Record<string, string>>
  /** `PATIENCE_MS` unless given: joining a group whose last member was killed takes until its session times out. */
  readonly readyTimeoutMs?: number
  /** How many files and connections the process may have open; as many as this one when missing. */
  readonly openFilesMax?: number
}

const READY_POLL_MS = 25
/** Longer than the drain deadline and the flush after it. */
const STOP_TIMEOUT_MS = 25_000

/** Ends the relay when this process ends, however that happens. */
const supervisor = fileURLToPath(new URL('../stack/supervise.sh', import.meta.url))

/** Launched since this was last emptied. */
export const launchedRelays = new Set<RelayProcess>()

/** Launches a relay. Resolves when `/readyz` says so; throws with the end of its log when it does not become ready. */
export async function startRelay(options: RelayOptions): Promise<RelayProcess> {
  const relay = await launchRelay(options)
  try {
    await relay.becomesReady(options.readyTimeoutMs ?? PATIENCE_MS)
    return relay
  } catch (error) {
    await relay.kill()
    throw error
  }
}

/**
 * Runs the relay as `npm start` runs it, V8 flags included, as a process of its own on a free port. Resolves when
 * the process is there, whatever becomes of it.
 */
export async function launchRelay(options: RelayOptions): Promise<RelayProcess> {
  const bounded =
    options.openFilesMax === undefined
      ? []
      : ['sh', '-c', 'ulimit -n "$0" && exec "$@"', String(options.openFilesMax)]
  const child = spawn('sh', [supervisor, ...bounded, process.execPath, ...startArguments()], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    // A session of its own, so that Ctrl-C in the terminal leaves it to the starter to end the relay in order.
    detached: true,
    // Only this: the settings of a developer's shell must not decide a test. As in the image, it need not start twice.
    env: { PATH: process.env.PATH, MALLOC_ARENA_MAX: '1', ...relayEnvironment(options), ...options.env },
  })
  const [pid] = (await once(child.stdio[3] as Readable, 'data')) as [Buffer]
  const relay = new RelayProcess(child, Number(pid.toString()))
  launchedRelays.add(relay)
  return relay
}

export class RelayProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #log = new RelayLog()
  readonly #exited: Promise<number>
  #stopped: Promise<number> | undefined
  #url = ''

  constructor(child: ChildProcess, pid: number) {
    this.pid = pid
    this.#child = child
    this.#exited = once(child, 'close').then(([code]) => {
      this.#log.end(`the relay has ended with status ${code}`)
      return code as number
    })
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#log.add(line))
    }
  }

  /** From now on nobody reads what it says. */
  stopReading(): void {
    this.#child.stdout?.pause()
  }

  readOn(): void {
    this.#child.stdout?.resume()
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && existsSync(`/proc/${this.pid}`)
  }

  /** The memory that it holds, or held at most. Mebibytes; Linux only. */
  memoryMib(field: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1_024
  }

  /** Where `/readyz`, `/metrics` and the rest are, without a slash at the end; empty before it listens. */
  get url(): string {
    return this.#url
  }

  /** Every line of its log so far, oldest first. */
  get log(): readonly LogLine[] {
    return this.#log.lines
  }

  /** Resolves with the first line that matches, an earlier one included. Throws when the time or the relay ends. */
  waitForLog(matches: (line: LogLine) => boolean, timeoutMs = PATIENCE_MS): Promise<LogLine> {
    return this.#log.waitFor(matches, timeoutMs)
  }

  async becomesReady(timeoutMs: number): Promise<void> {
    const endsAtMs = performance.now() + timeoutMs
    const { port } = await this.waitForLog(({ msg }) => msg === 'listening', timeoutMs)
    this.#url = `http://127.0.0.1:${port}`
    let answer = 'nothing'
    while (performance.now() < endsAtMs && this.#child.exitCode === null) {
      const response = await fetch(`${this.#url}/readyz`).catch(() => undefined)
      if (response?.ok === true) return
      answer = (await response?.text()) ?? answer
      await delay(READY_POLL_MS)
    }
    throw this.#log.failure(`the relay is not ready after ${timeoutMs} ms; /readyz answers ${answer}`)
  }

  /** SIGTERM, and SIGKILL if it does not end then. Resolves with the exit status: 0 after a clean drain. Idempotent. */
  stop(): Promise<number> {
    // Only one signal: the relay takes a second one as an order to leave without draining.
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** As a crash: no chance to clean up. Resolves when the process is gone. Idempotent. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exited
  }

  /** Does nothing when the relay has ended. */
  signal(signal: NodeJS.Signals): void {
    // Once the supervisor has ended, the process id may belong to somebody else.
    if (this.#child.exitCode !== null) return
    try {
      process.kill(this.pid, signal)
    } catch (error) {
      // It ended by itself, and the supervisor is about to.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Resolves with the exit status when the relay ends; 128 and its number after a signal, as in a shell. */
  exitStatus(): Promise<number> {
    return this.#exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  async #stop(): Promise<number> {
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_TIMEOUT_MS)
    try {
      return await this.#exited
    } finally {
      clearTimeout(timer)
    }
  }
}

/** What every relay needs to know of its surroundings. */
export function relayEnvironment({ kafkaBrokers, redisUrl, issuer, signingKeysFile }: RelayOptions) {
  return {
    KAFKA_BROKERS: kafkaBrokers,
    REDIS_URL: redisUrl,
    ISSUER: issuer,
    SIGNING_KEYS_FILE: signingKeysFile,
    EGRESS_ALLOW_HTTP: 'true',
    EGRESS_ALLOW: '127.0.0.0/8,localhost',
    PORT: '0',
  }
}

/** Taken from the start script, so that the tests run what an operator runs. */
function startArguments(): string[] {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const { start } = (JSON.parse(manifest) as { scripts: { start: string } }).scripts
  const [command, ...rest] = start.trim().split(/\s+/)
  if (command !== 'node') throw new Error(`the start script must run node, not ${command}`)
  return rest
}

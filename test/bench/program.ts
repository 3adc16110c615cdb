import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { pollUntil } from './poll.ts'
import { isSuspended, type ProcessCost, readProcessCost, readRssMb } from './process-cost.ts'
import { logTail, waitForLogLine } from './program-log.ts'
import { ISSUER } from './workload.ts'

export const programNames = ['relay', 'bare', 'straightforward'] as const
export type ProgramName = (typeof programNames)[number]

const STOP_TIMEOUT_MS = 15_000
const START_TIMEOUT_MS = 30_000

/** Everything that a run has to itself: nothing of one run can be seen by the next. */
export interface RunPlace {
  readonly kafkaBrokers: string
  readonly redisUrl: string
  readonly topic: string
  readonly groupId: string
  readonly redisPrefix: string
  readonly signingKeysFile: string
  readonly logFile: string
  /** `address:port` of the name server that the relay asks; those of this machine, unless given. */
  readonly nameServer?: string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Only this: settings of the developer's shell would change what is measured. */
export function programEnvironment(
  place: RunPlace,
  settings: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    KAFKA_BROKERS: place.kafkaBrokers,
    KAFKA_TOPICS: place.topic,
    KAFKA_GROUP_ID: place.groupId,
    KAFKA_START_FROM: 'earliest',
    REDIS_URL: place.redisUrl,
    REDIS_PREFIX: place.redisPrefix,
    // A file names the issuers and their keys itself.
    ...(settings.ISSUERS_FILE === undefined && { ISSUER, SIGNING_KEYS_FILE: place.signingKeysFile }),
    // The issuer is made up; looking for it would ask a name server.
    SIGNING_KEYS_PUBLISHED_CHECK_MS: '0',
    EGRESS_ALLOW_HTTP: 'true',
    EGRESS_ALLOW: '127.0.0.0/8',
    PORT: '0',
    ...(place.nameServer !== undefined && { BENCH_NAME_SERVER: place.nameServer }),
    ...settings,
  }
}

export function startProgram(
  name: ProgramName,
  place: RunPlace,
  settings: Readonly<Record<string, string>> = {},
): Program {
  const log = openSync(place.logFile, 'a')
  const child = spawn(process.execPath, [...preloads(place), ...programArguments(name)], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['pipe', name === 'bare' ? 'pipe' : log, log],
    env: programEnvironment(place, settings),
  })
  closeSync(log)
  running.add(child)
  return new Program(name, child, place.logFile)
}

function preloads({ nameServer }: RunPlace): string[] {
  return nameServer === undefined ? [] : ['--import', new URL('ask-name-server.ts', import.meta.url).href]
}

/** One measured process. Every wait on it also ends when the process does. */
export class Program {
  readonly name: ProgramName
  readonly #child: ChildProcess
  readonly #logFile: string
  readonly #exited: Promise<void>

  constructor(name: ProgramName, child: ChildProcess, logFile: string) {
    this.name = name
    this.#child = child
    this.#logFile = logFile
    this.#exited = once(child, 'exit').then(() => {
      running.delete(child)
    })
    // A program that dies with unread input would take the bench with it; its exit is reported by `whileRunning`.
    child.stdin?.on('error', () => {})
  }

  cost(): ProcessCost {
    return readProcessCost(this.#pid)
  }

  /** The resident size at this moment. */
  rssMb(): number {
    return readRssMb(this.#pid)
  }

  /** Where the relay serves its metrics; resolves when it does. */
  async url(): Promise<string> {
    const line = waitForLogLine(this.#logFile, (it) => it.msg === 'listening', START_TIMEOUT_MS)
    return `http://127.0.0.1:${(await this.whileRunning(line)).port}`
  }

  /** Resolves when no thread of the process runs any more. */
  async suspend(): Promise<void> {
    this.#child.kill('SIGSTOP')
    await pollUntil(() => isSuspended(this.#pid), 2, 5_000, `${this.name} to be suspended`)
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** Hands a line of work to a program that takes it from stdin and waits for its line of answer. */
  async work(line: string): Promise<void> {
    if (this.#child.stdin === null || this.#child.stdout === null)
      throw new Error(`${this.name} has no pipes`)
    const lines = createInterface({ input: this.#child.stdout })
    const answered = once(lines, 'line')
    this.#child.stdin.write(`${line}\n`)
    await this.whileRunning(answered)
    lines.close()
  }

  /**
   * Passes the value of a promise on. Throws with the end of the program's log when the promise fails or the program
   * ends before.
   */
  async whileRunning<T>(awaited: Promise<T>): Promise<T> {
    const ended = this.#exited.then(() => {
      throw new Error(`it ended by itself (${this.#child.exitCode ?? this.#child.signalCode})`)
    })
    try {
      return await Promise.race([awaited, ended])
    } catch (error) {
      const message = `${this.name}: ${(error as Error).message}; its log ends with\n${logTail(this.#logFile)}`
      throw new Error(message, { cause: error })
    }
  }

  /** SIGTERM, and SIGKILL when that is not enough, which is worth a line of its own. Idempotent. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    this.#child.kill('SIGCONT')
    this.#child.stdin?.destroy()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#exited
    clearTimeout(timer)
    if (this.#child.signalCode !== 'SIGKILL') return
    process.stderr.write(
      `${this.name} did not stop within ${STOP_TIMEOUT_MS / 1_000} s of SIGTERM and was killed\n`,
    )
  }

  /** As a crash: no chance to clean up. Resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  get #pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start`)
    return this.#child.pid
  }
}

/** The relay runs exactly as `npm start` runs it, V8 flags included; the other two have the defaults of Node. */
function programArguments(name: ProgramName): string[] {
  if (name !== 'relay') return [fileURLToPath(new URL(`${name}.ts`, import.meta.url))]
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    scripts: { start: string }
  }
  const [command, ...rest] = manifest.scripts.start.trim().split(/\s+/)
  if (command !== 'node') throw new Error(`the start script must run node, not ${command}`)
  return rest
}

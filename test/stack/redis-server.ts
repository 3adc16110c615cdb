import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { findFreePorts, retryOnPortClash } from './ports.ts'
import { redisBinary } from './redis-binary.ts'
import { runCommand } from './run-command.ts'
import { createScratchDirectory, type ScratchDirectory } from './scratch-directory.ts'
import { type SupervisedProcess, startSupervised } from './supervised-process.ts'

const START_TIMEOUT_MS = 30_000
const ANSWER_TIMEOUT_MS = 2_000

export interface RedisServerOptions {
  /** Whether data survives the process. 'none' by default; with 'appendonly' every acknowledged write does. */
  readonly persistence?: 'none' | 'appendonly'
  /** Whether it takes `DEBUG`, such as `DEBUG RELOAD NOSAVE`: back to the last `SAVE`, under the same run. */
  readonly isDebuggable?: boolean
  /** More arguments of `redis-server`, such as `['--maxmemory', '100mb']`. */
  readonly args?: readonly string[]
}

/** A real Redis in a process that can be hurt. It ends with this process at the latest. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string
  /** SIGKILL; resolves when the process is gone. Nothing happens to a server that is down. */
  kill(): Promise<void>
  /** SIGTERM; resolves when the process is gone. */
  terminate(): Promise<void>
  /** Starts a server that is down on the same port, with what it had persisted, or with an empty disk. */
  start(options?: { empty?: boolean }): Promise<void>
  /** SIGSTOP. Its connections stay open, and nothing answers on them. */
  freeze(): void
  /** SIGCONT. */
  thaw(): void
  /** Ends the server and removes its data. Idempotent. */
  stop(): Promise<void>
}

/** Resolves when the server takes commands; throws a `ServerFault` when it does not come up. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = await redisBinary()
  const args = [...(options.args ?? []), ...(options.isDebuggable ? await debugArgs(binary) : [])]
  return retryOnPortClash(async () => {
    const [port] = (await findFreePorts(1)) as [number]
    const server = new ProcessRedis(binary, port, { ...options, args })
    try {
      await server.start()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  })
}

/** Before Redis 7 nobody could forbid it. */
async function debugArgs(binary: string): Promise<string[]> {
  const version = await runCommand(binary, ['--version'])
  return Number(/v=(\d+)/.exec(version)?.[1]) < 7 ? [] : ['--enable-debug-command', 'yes']
}

class ProcessRedis implements RedisServer {
  readonly #binary: string
  readonly #port: number
  readonly #args: readonly string[]
  readonly #scratch: ScratchDirectory
  readonly #dataDirectory: string
  #process: SupervisedProcess | undefined

  constructor(binary: string, port: number, { persistence = 'none', args = [] }: RedisServerOptions) {
    this.#binary = binary
    this.#port = port
    this.#scratch = createScratchDirectory('redis')
    this.#dataDirectory = join(this.#scratch.path, 'data')
    this.#args = [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', this.#dataDirectory],
      ...['--save', '', '--appendonly', persistence === 'appendonly' ? 'yes' : 'no'],
      ...args,
    ]
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`
  }

  async start({ empty = false }: { empty?: boolean } = {}): Promise<void> {
    if (this.#process?.running) throw new Error(`the Redis server at ${this.url} is running already`)
    if (empty) await rm(this.#dataDirectory, { recursive: true, force: true })
    await mkdir(this.#dataDirectory, { recursive: true })
    const process = await startSupervised({
      name: 'Redis',
      command: this.#binary,
      args: this.#args,
      logFile: join(this.#scratch.path, 'log'),
    })
    this.#process = process
    // Said by this very process after it has bound its port and read its data.
    const isReady = () => process.log().includes('Ready to accept connections')
    await process.waitUntilReady(isReady, START_TIMEOUT_MS)
    if (!(await this.#isServedBy(process.pid))) throw process.fault('does not answer on its port')
  }

  async kill(): Promise<void> {
    await this.#process?.kill()
  }

  async terminate(): Promise<void> {
    await this.#process?.terminate()
  }

  freeze(): void {
    this.#process?.freeze()
  }

  thaw(): void {
    this.#process?.thaw()
  }

  async stop(): Promise<void> {
    await this.kill()
    await this.#scratch.remove()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Some systems let two servers listen on one port, at different addresses. */
  async #isServedBy(pid: number): Promise<boolean> {
    const socket = connect(this.#port, '127.0.0.1')
    try {
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
      await once(socket, 'connect', { signal })
      socket.write('INFO server\r\n')
      const [answer] = (await once(socket, 'data', { signal })) as [Buffer]
      // A server that wants a password first does not tell.
      return answer.includes(`process_id:${pid}\r\n`) || answer.toString().startsWith('-NOAUTH')
    } finally {
      socket.destroy()
    }
  }
}

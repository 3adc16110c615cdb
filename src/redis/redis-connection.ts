import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { messageOf, RelayFault } from '../lib/errors.ts'
import { readTlsFiles, type TlsFiles, type TlsParts } from '../lib/tls-files.ts'
import { FOREIGN, isWrongType, SuspectKeys } from './foreign-keys.ts'
import { otherTransport } from './other-transport.ts'
import { RedisConnector } from './redis-connector.ts'
import { explainRefusal, inPlainWords } from './redis-refusal.ts'
import type { WriteCount } from './write-count.ts'

export type RedisCommand = readonly [name: string, ...args: (string | number)[]]

/** A Lua script. It is sent by its digest once the server knows it. */
export interface RedisScript {
  readonly sha: string
  readonly source: string
}

/** How Redis is connected to, beyond what its URL says. */
interface RedisSecurity {
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** For `rediss://` only. */
  readonly tls?: TlsFiles
}

export interface RedisConnectionOptions {
  readonly url: string
  readonly security?: RedisSecurity
  /** With it, a server that loses what it was sent is noticed with the next call: see `rollbacks`. */
  readonly count?: WriteCount
  readonly onUp: () => void
  readonly onDown: (error: unknown) => void
  /** A key was found to hold wrong data. */
  readonly onSuspect?: () => void
}

/** A server that is silent for longer counts as gone: the connection is closed and reopened. */
const SILENCE_MS_MAX = 5_000
const RECONNECT_DELAY_MS_MAX = 1_000
/** A server that is not up by then may wait for another kind of greeting. Shorter than any command waits. */
const SUSPECTED_MS = 1_500
const SUSPECTED_AGAIN_MS = 10_000
/**
 * Prefix of a run name made up for a connection whose server does not reveal its `run_id`. It is unique, so two servers are
 * never taken for one.
 */
const UNKNOWN_RUN = 'untold-'

/** The server does not reveal its `run_id`, so each new connection may lead to another server. */
export function isUnknownRun(runId: string): boolean {
  return runId.startsWith(UNKNOWN_RUN)
}

/**
 * One connection to Redis. Commands fail at once while it is down: callers repeat whole steps in their own order, which a
 * queue inside the client would not keep. It is up only after the server's `run_id` is known: the same name may now lead to a
 * server that has fallen behind or started from an old file.
 */
export class RedisConnection {
  readonly suspects: SuspectKeys
  readonly #redis: Redis
  readonly #scripts = new Map<string, string>()
  readonly #url: string
  readonly #count: WriteCount | undefined
  readonly #onDown: (error: unknown) => void
  #isUp = false
  #runId = ''
  #isClosed = false
  #suspicion: RelayFault | undefined
  #suspecting: NodeJS.Timeout | undefined

  constructor({ url, security = {}, count, onUp, onDown, onSuspect }: RedisConnectionOptions) {
    this.suspects = new SuspectKeys(onSuspect)
    this.#url = url
    this.#count = count
    this.#onDown = onDown
    this.#redis = new Redis(url, {
      ...securityOptions(url, security),
      Connector: RedisConnector,
      lazyConnect: true,
      // The same reply format from every server, whatever protocol it supports.
      protocol: 2,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // The name may lead to the new primary now, while the old one stays up as its replica.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
      connectTimeout: SILENCE_MS_MAX,
      socketTimeout: SILENCE_MS_MAX,
      connectionName: 'logout-relay',
      retryStrategy: (times) => {
        this.#renewTls(url, security)
        return Math.min(50 * 2 ** Math.min(times, 5), RECONNECT_DELAY_MS_MAX)
      },
    })
    this.#redis.on('ready', () => {
      this.#meet().then(
        () => {
          this.#suspicion = undefined
          clearTimeout(this.#suspecting)
          this.#isUp = true
          onUp()
        },
        (error: unknown) => {
          onDown(explainRefusal(error))
          // No command may go to a server of unknown identity; the next connection tries again.
          this.#redis.disconnect(true)
        },
      )
    })
    this.#redis.on('close', () => {
      this.#isUp = false
    })
    this.#redis.on('error', (error: unknown) => onDown(this.#suspicion ?? explainRefusal(error)))
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** The run of the server behind the current or last connection; empty before the first. */
  get runId(): string {
    return this.#runId
  }

  /** How often this server, or an earlier one, has lost calls that it had answered. 0 without a count of them. */
  get rollbacks(): number {
    return this.#count?.rollbacks ?? 0
  }

  /** Arguments of a script that must have no effect in a store that has lost calls: field and number, or two empty ones. */
  get expectedCount(): [field: string, count: string | number] {
    return this.#count?.expected ?? ['', '']
  }

  /** Starts connecting and keeps trying. `onUp` reports success. */
  start(): void {
    this.#redis.connect().catch(() => undefined)
    this.#suspectAfter(SUSPECTED_MS)
  }

  /** Until the server was up for the first time: it is set up, and its URL, that may be wrong. */
  #suspectAfter(ms: number): void {
    this.#suspecting = setTimeout(async () => {
      const reason = await otherTransport(this.#url)
      if (this.#runId !== '' || this.#isClosed) return
      this.#suspicion = reason === undefined ? undefined : new RelayFault('LR_REFUSED', `Redis: ${reason}`)
      if (this.#suspicion !== undefined) this.#onDown(this.#suspicion)
      this.#suspectAfter(SUSPECTED_AGAIN_MS)
    }, ms).unref()
  }

  register(...scripts: RedisScript[]): void {
    for (const { sha, source } of scripts) this.#scripts.set(sha, source)
  }

  /**
   * Sends the commands in one pipeline and resolves with the replies in order. Throws when the connection is lost or a
   * command fails. Some commands may have run then, so every caller's commands are idempotent.
   */
  pipeline(commands: readonly RedisCommand[]): Promise<unknown[]> {
    return this.#sendKnown(commands, reply)
  }

  /** As `pipeline`, but a command on a key with foreign data fails alone: its reply is `FOREIGN`. */
  tolerantPipeline(commands: readonly RedisCommand[]): Promise<unknown[]> {
    return this.#sendKnown(commands, replyOrForeign)
  }

  async command(...command: RedisCommand): Promise<unknown> {
    return (await this.pipeline([command]))[0]
  }

  /** Tells the store that this process sends no more. Uncounted, or the count would begin anew. */
  async leave(): Promise<void> {
    if (this.#count === undefined || !this.#isUp) return
    const [name, ...args] = this.#count.leave
    await this.#redis.call(name, ...args)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#suspecting)
    this.#redis.disconnect()
  }

  /** Which server answers, and what it knows of this process, before any other command. */
  async #meet(): Promise<void> {
    const runId = await this.#readRunId()
    if (this.#count !== undefined) {
      const [name, ...args] = this.#count.recall
      this.#count.begin(Number(await this.#redis.call(name, ...args)), runId === this.#runId)
    }
    this.#runId = runId
  }

  /** The first command of a connection. */
  async #readRunId(): Promise<string> {
    try {
      const info = String(await this.#redis.call('INFO', 'server'))
      return /^run_id:(\w+)/m.exec(info)?.[1] ?? UNKNOWN_RUN + randomUUID()
    } catch (error) {
      if (messageOf(error).startsWith('NOPERM')) return UNKNOWN_RUN + randomUUID()
      throw error
    }
  }

  async #sendKnown(commands: readonly RedisCommand[], read: typeof reply): Promise<unknown[]> {
    if (commands.length === 0) return []
    try {
      return await this.#send(commands, read)
    } catch (error) {
      // A restarted server has lost the scripts. It keeps those that are sent as source.
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return this.#send(
        commands.map((command) => this.#withSource(command)),
        read,
      )
    }
  }

  #withSource(command: RedisCommand): RedisCommand {
    const [name, sha, ...args] = command
    const source = name === 'EVALSHA' ? this.#scripts.get(String(sha)) : undefined
    return source === undefined ? command : ['EVAL', source, ...args]
  }

  /** Renews certificates without a restart. While a file is being replaced, the old content stays in use. */
  #renewTls(url: string, security: RedisSecurity): void {
    try {
      Object.assign(this.#redis.options, securityOptions(url, security))
    } catch {}
  }

  async #send(commands: readonly RedisCommand[], read: typeof reply): Promise<unknown[]> {
    if (!this.#isUp) throw new RelayFault('LR_UNAVAILABLE', 'Redis is not reachable')
    const count = this.#count
    const counting = count?.send()
    if (count === undefined || counting === undefined)
      return (await Promise.allSettled(this.#write(commands))).map(read)
    const answers = await Promise.allSettled(this.#write([...commands, counting]))
    count.take(answers.pop() as PromiseSettledResult<unknown>)
    return answers.map(read)
  }

  /**
   * Sends without the pipelines of ioredis: each has its own getter and so its own hidden class, which keeps commands and
   * replies alive until the next full garbage collection.
   */
  #write(commands: readonly RedisCommand[]): Promise<unknown>[] {
    const { stream } = this.#redis
    stream.cork()
    try {
      return commands.map(([name, ...args]) => this.#redis.call(name, ...args))
    } finally {
      stream.uncork()
    }
  }
}

/** The part of ioredis' options that says so; it goes over what the URL says. */
function securityOptions(
  url: string,
  { username, password, tls = {} }: RedisSecurity,
): { username?: string; password?: string; tls?: TlsParts } {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(url.startsWith('rediss:') && { tls: readTlsFiles(tls) }),
  }
}

function reply(answer: PromiseSettledResult<unknown>): unknown {
  if (answer.status === 'rejected') throw inPlainWords(answer.reason)
  return answer.value
}

function replyOrForeign(answer: PromiseSettledResult<unknown>): unknown {
  return answer.status === 'rejected' && isWrongType(answer.reason) ? FOREIGN : reply(answer)
}

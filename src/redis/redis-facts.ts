import type {
  EpochFacts,
  Fact,
  PrefixedKey,
  RedisFacts,
  RedisServerFacts,
  Refusal,
} from '../diagnosis/facts.ts'
import {
  isOversizeScript,
  MARK_BYTES_MAX,
  NAME_BYTES_MAX,
  REGISTRATION_BYTES_MAX,
  TOMBSTONE_BYTES_MAX,
} from './bounded-reads.ts'
import { isEarlierLayout, layoutOf, singleKeys } from './key-types.ts'
import { OwnerSample } from './owner-sample.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import { type RedisInfo, readInfo, refusalOf } from './redis-info.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { SESSION_REGISTRATIONS_MAX } from './register-script.ts'

export interface RedisFactsOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  readonly prefix: string
  /** The relay's consumer group. It is stored in Redis if no group is, unless `leavesNoTrace`. */
  readonly groupId: string
  /** Whether the relay knows an issuer. */
  readonly knowsIssuer: (issuer: string) => boolean
  /** Set for a check from outside. It tests writability with a write that never changes anything. */
  readonly leavesNoTrace?: boolean
}

/** Reading keys should cost Redis and the relay about a millisecond, however many there are. */
const SCAN_COUNT = 500
const SCANS_OF_PREFIX_MAX = 5
/** Longer than any group name. */
const GROUP_BYTES_READ = 1_024
const PINGS = 10

/**
 * Reads the facts about Redis that the checks need. A refused command, for example for lack of permission, leaves its fact
 * unread. Throws when Redis cannot be reached.
 */
export class RedisFactsReader {
  readonly #options: RedisFactsOptions
  readonly #owners: OwnerSample

  constructor(options: RedisFactsOptions) {
    this.#options = options
    this.#owners = new OwnerSample({ ...options, isOnlyLook: options.leavesNoTrace === true })
    options.redis.register(isOversizeScript)
  }

  async read(): Promise<RedisFacts> {
    const { prefix, keys } = this.#options
    const info = await this.#fact(['INFO'], readInfo)
    const facts = {
      prefix,
      role: await this.#role(info),
      eviction: await this.#eviction(info),
      evictedKeys: 'unread' in info ? info : { value: Number(info.value.get('evicted_keys') ?? 0) },
      persistence: await this.#persistence(info),
      groupId: await this.#fact(
        ['GETRANGE', keys.group(), 0, GROUP_BYTES_READ - 1],
        (reply) => String(reply) || undefined,
      ),
      prefixedKeys: await this.#prefixedKeys(),
      owners: await this.#ownersOf(),
      foreignKeys: await this.#foreignKeys(),
    }
    // Last, because a replica that refuses it closes the connection.
    return { ...facts, refusedWrite: await this.#tryWrite() }
  }

  /** The facts that only `doctor` reads: they cost more, or mean nothing from inside the relay. */
  async readServer(): Promise<RedisServerFacts> {
    const info = await this.#fact(['INFO'], readInfo)
    return {
      prefix: this.#options.prefix,
      version: factOf(
        info,
        (it) => `${nameIn(it)} ${it.get('valkey_version') ?? it.get('redis_version') ?? '?'}`,
      ),
      memory: factOf(info, (it) => ({
        usedBytes: Number(it.get('used_memory') ?? 0),
        maxBytes: Number(it.get('maxmemory') ?? 0),
      })),
      pingMs: await this.#pingMs(),
      epoch: await this.#epoch(info),
    }
  }

  async #pingMs(): Promise<number> {
    const times: number[] = []
    for (let i = 0; i < PINGS; i++) {
      const startedAtMs = performance.now()
      // A refusal is as fast as an answer.
      await this.#options.redis.command('PING').catch(refusalOf)
      times.push(performance.now() - startedAtMs)
    }
    // The fastest. The others include time in which this process was busy.
    return Math.min(...times)
  }

  async #epoch(info: Fact<RedisInfo>): Promise<Fact<EpochFacts>> {
    const { keys } = this.#options
    try {
      const [epoch, group, lock, positions] = await this.#options.redis.pipeline([
        ['HGET', keys.epoch(), 'run_id'],
        ['EXISTS', keys.group()],
        ['EXISTS', keys.rebuildLock()],
        ['EXISTS', keys.positions()],
      ])
      const runId = 'value' in info ? info.value.get('run_id') : undefined
      return {
        value: {
          isSet: typeof epoch === 'string',
          isOfThisRun: runId === undefined ? undefined : epoch === runId,
          isRebuilding: lock === 1,
          isInUse: group === 1,
          hasPositions: positions === 1,
        },
      }
    } catch (error) {
      return { unread: refusalOf(error) }
    }
  }

  /** Tests a write. It sets the group, which changes nothing if a group is set. */
  async #tryWrite(): Promise<Refusal | undefined> {
    const { groupId, keys, leavesNoTrace = false, prefix, redis } = this.#options
    try {
      if (leavesNoTrace) await redis.command('SET', `${prefix}:doctor`, '', 'XX')
      else await redis.command('SET', keys.group(), groupId, 'NX')
      return undefined
    } catch (error) {
      const message = refusalOf(error)
      return { code: message.split(' ', 1)[0] as string, message }
    }
  }

  async #role(info: Fact<RedisInfo>): Promise<RedisFacts['role']> {
    const [role, host, port] = ['role', 'master_host', 'master_port'].map((name) => field(info, name))
    if (role !== undefined) return { value: roleOf(role, host, port) }
    return this.#fact(['ROLE'], (reply) => roleOf(...(reply as [string, string, number])))
  }

  async #eviction(info: Fact<RedisInfo>): Promise<RedisFacts['eviction']> {
    const policy = field(info, 'maxmemory_policy')
    const maxMemory = field(info, 'maxmemory')
    const maxMemoryBytes = maxMemory === undefined ? undefined : Number(maxMemory)
    if (policy !== undefined) return { value: { policy, maxMemoryBytes } }
    return this.#fact(['CONFIG', 'GET', 'maxmemory-policy'], (reply) => ({
      policy: settingIn(reply),
      maxMemoryBytes,
    }))
  }

  async #persistence(info: Fact<RedisInfo>): Promise<RedisFacts['persistence']> {
    if ('unread' in info) return info
    const snapshots = await this.#fact(['CONFIG', 'GET', 'save'], (reply) => settingIn(reply) !== '')
    return {
      value: {
        appendOnly: field(info, 'aof_enabled') === '1',
        snapshots: 'value' in snapshots ? snapshots.value : undefined,
        isFailing:
          field(info, 'aof_last_write_status') === 'err' || field(info, 'rdb_last_bgsave_status') === 'err',
      },
    }
  }

  async #prefixedKeys(): Promise<RedisFacts['prefixedKeys']> {
    const { prefix, redis } = this.#options
    try {
      const found = await this.#scan(SCANS_OF_PREFIX_MAX, 'MATCH', `${prefix}:*`)
      const names = [...new Set([...singleKeys(prefix), ...redis.suspects, ...found])]
      const types = await redis.pipeline(names.map((key) => ['TYPE', key]))
      const value = names.map((key, i): PrefixedKey => {
        const type = String(types[i])
        const { type: current, isSingle } = layoutOf(prefix, key)
        const expected = isEarlierLayout(prefix, key, type) ? type : current
        return { key, type, expected, isSingle }
      })
      // The type of a key that does not exist.
      const standing = await this.#withSizes(
        await this.#withContent(value.filter(({ type }) => type !== 'none')),
      )
      for (const key of redis.suspects)
        if (!standing.some((it) => it.key === key && isWrong(it))) redis.suspects.forget(key)
      return { value: standing }
    } catch (error) {
      return { unread: refusalOf(error) }
    }
  }

  /** Adds what is wrong inside keys of the right type. */
  async #withContent(found: readonly PrefixedKey[]): Promise<PrefixedKey[]> {
    const { keys, redis } = this.#options
    const commands = found.map(({ key, type, expected }): RedisCommand | undefined => {
      if (type !== expected) return undefined
      if (startsLike(key, keys.backlog(''))) return ['ZCOUNT', key, '+inf', '+inf']
      return startsLike(key, keys.session('', '')) ? ['HLEN', key] : undefined
    })
    const replies = await redis.tolerantPipeline(commands.filter((it) => it !== undefined))
    return found.map((it, i) => {
      const command = commands[i]
      if (command === undefined) return it
      const count = Number(replies.shift())
      if (command[0] === 'ZCOUNT') return count > 0 ? { ...it, setAside: count } : it
      return count >= SESSION_REGISTRATIONS_MAX ? { ...it, isFull: true } : it
    })
  }

  /** Checks whether suspect keys still hold something too large. */
  async #withSizes(found: readonly PrefixedKey[]): Promise<PrefixedKey[]> {
    const { keys, redis } = this.#options
    const bounds = [
      [keys.ended('', ''), TOMBSTONE_BYTES_MAX],
      [keys.session('', ''), REGISTRATION_BYTES_MAX],
      [keys.signedOut('', ''), MARK_BYTES_MAX],
      [keys.user('', ''), NAME_BYTES_MAX],
    ] as const
    const suspects = new Set(redis.suspects)
    const boundOf = ({ key, type, expected }: PrefixedKey) =>
      type === expected && suspects.has(key)
        ? bounds.find(([sample]) => startsLike(key, sample))?.[1]
        : undefined
    const bounded = found.flatMap((it) => {
      const bytes = boundOf(it)
      return bytes === undefined ? [] : [{ key: it.key, bytes }]
    })
    const replies = await redis.tolerantPipeline(
      bounded.map(({ bytes, key }) => evalScript(isOversizeScript, [key], [bytes])),
    )
    const oversize = new Set(bounded.filter((_, i) => replies[i] === 1).map(({ key }) => key))
    return found.map((it) => (oversize.has(it.key) ? { ...it, isOversize: true } : it))
  }

  async #ownersOf(): Promise<RedisFacts['owners']> {
    try {
      return { value: await this.#owners.read() }
    } catch (error) {
      return { unread: refusalOf(error) }
    }
  }

  async #foreignKeys(): Promise<RedisFacts['foreignKeys']> {
    try {
      const sample = await this.#scan(1)
      return { value: sample.filter((key) => !key.startsWith(`${this.#options.prefix}:`)) }
    } catch (error) {
      return { unread: refusalOf(error) }
    }
  }

  async #scan(stepsMax: number, ...filter: readonly string[]): Promise<string[]> {
    const found: string[] = []
    let cursor = '0'
    for (let step = 0; step < stepsMax && found.length < SCAN_COUNT; step++) {
      const reply = await this.#options.redis.command('SCAN', cursor, ...filter, 'COUNT', SCAN_COUNT)
      const [next, keys] = reply as [string, string[]]
      found.push(...keys)
      cursor = next
      if (cursor === '0') break
    }
    return found
  }

  async #fact<T>(command: RedisCommand, read: (reply: unknown) => T): Promise<Fact<T>> {
    try {
      return { value: read(await this.#options.redis.command(...command)) }
    } catch (error) {
      return { unread: refusalOf(error) }
    }
  }
}

function isWrong({ type, expected, isFull, isOversize, setAside }: PrefixedKey): boolean {
  return type !== expected || isFull === true || isOversize === true || setAside !== undefined
}

function startsLike(key: string, sample: string): boolean {
  return key.startsWith(sample.slice(0, sample.indexOf('{') + 1))
}

function field(info: Fact<RedisInfo>, name: string): string | undefined {
  return 'value' in info ? info.value.get(name) : undefined
}

function roleOf(role: string, host?: string, port?: string | number) {
  const isReplica = role === 'slave' || role === 'replica'
  return { isReplica, ...(isReplica && host !== undefined && { master: `${host}:${port}` }) }
}

function settingIn(reply: unknown): string {
  const [, value] = reply as string[]
  if (value === undefined) throw Object.assign(new Error('Redis does not report it'), { name: 'ReplyError' })
  return value
}

function nameIn(info: RedisInfo): string {
  return info.has('valkey_version') ? 'valkey' : 'redis'
}

function factOf<T>(info: Fact<RedisInfo>, read: (info: RedisInfo) => T): Fact<T> {
  return 'value' in info ? { value: read(info.value) } : info
}

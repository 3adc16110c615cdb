import { randomUUID } from 'node:crypto'
import { RelayFault } from '../lib/errors.ts'
import type { StoreProof } from '../registry/epoch-guard.ts'
import type { AppliedPosition, EpochStore, StoredEpoch } from '../registry/epoch-store.ts'
import { isWrongType } from './foreign-keys.ts'
import { isUnknownRun, type RedisCommand, type RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript, redisScript } from './redis-script.ts'

/** The value of a pattern among the positions; its field is the pattern itself, and no topic has a name with `*`. */
const FOLLOWED = 'followed'

/** KEYS: lock. ARGV: owner, ms. */
const lockScript = redisScript(`
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)

/** KEYS: lock. ARGV: owner, ms. */
const renewScript = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

/** KEYS: lock. ARGV: owner. */
const unlockScript = redisScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`)

/**
 * KEYS: epoch, and the hash to write, which may be the same. ARGV: the caller's field in the epoch and what it must show, see
 * `WriteCount`; then fields and values. Returns 0, and writes nothing, if the store has lost writes of the caller.
 */
const WRITE = `
-- An earlier release kept a string there.
if redis.call('TYPE', KEYS[1]).ok == 'string' then redis.call('DEL', KEYS[1]) end
if ARGV[1] ~= '' and (redis.call('HGET', KEYS[1], ARGV[1]) or '0') ~= ARGV[2] then return 0 end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
`

/**
 * The epoch is a hash: id, run of the server that it was set on, time, last heartbeat, and the number of calls of each relay.
 * The positions are another hash.
 */
export class RedisEpochStore implements EpochStore {
  readonly #redis: RedisConnection
  readonly #epoch: string
  readonly #lock: string
  readonly #positions: string

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#epoch = keys.epoch()
    this.#lock = keys.rebuildLock()
    this.#positions = keys.positions()
    redis.register(lockScript, renewScript, unlockScript)
  }

  get runId(): string {
    return this.#redis.runId
  }

  get rollbacks(): number {
    return this.#redis.rollbacks
  }

  async read(): Promise<StoredEpoch | undefined> {
    const [id, runId, heartbeat, proved] = await this.#epochFields()
    if (typeof id !== 'string' || typeof runId !== 'string') return undefined
    return {
      id,
      heartbeatMs: timeOf(heartbeat),
      provedAtMs: timeOf(proved),
      // An unknown run is made up for each connection, so it differs from that of whoever set the epoch.
      isOfThisRun: runId === this.#redis.runId,
      isUnknownRun: isUnknownRun(runId),
    }
  }

  async lock(owner: string, ms: number): Promise<boolean> {
    return (await this.#redis.command(...evalScript(lockScript, [this.#lock], [owner, ms]))) === 1
  }

  async renew(owner: string, ms: number): Promise<boolean> {
    return (await this.#redis.command(...evalScript(renewScript, [this.#lock], [owner, ms]))) === 1
  }

  async unlock(owner: string): Promise<void> {
    await this.#redis.command(...evalScript(unlockScript, [this.#lock], [owner]))
  }

  async confirm(owner: string, nowMs: number, runId: string): Promise<StoreProof | undefined> {
    if ((await this.#redis.command('GET', this.#lock)) !== owner) return undefined
    const shown = await this.#epochFields()
    // If servers do not reveal their run, each relay proves the store for itself. A new id would make the others prove
    // it again.
    const isShared = isUnknownRun(runId) && typeof shown[0] === 'string' && isUnknownRun(String(shown[1]))
    const id = isShared ? String(shown[0]) : randomUUID()
    // Checked and sent in one turn of the event loop, in which no other connection can come up.
    if (this.#redis.runId !== runId) return undefined
    const fields = ['id', id, 'run_id', runId, 'heartbeat', nowMs, 'proved', nowMs]
    return (await this.#write(this.#epoch, fields)) ? { id, runId } : undefined
  }

  async positions(): Promise<AppliedPosition[]> {
    const flat = (await this.#ask(this.#positions, ['HGETALL', this.#positions])) as string[]
    const found: AppliedPosition[] = []
    for (let i = 0; i < flat.length; i += 2) {
      const position = readPosition(flat[i] as string, flat[i + 1] as string)
      if (position !== undefined) found.push(position)
    }
    return found
  }

  async followedPatterns(): Promise<string[]> {
    const fields = (await this.#ask(this.#positions, ['HKEYS', this.#positions])) as string[]
    // The others are partitions: no name of a topic has a slash.
    return fields.filter((it) => !it.includes('/'))
  }

  async writePositions(
    positions: readonly AppliedPosition[],
    runId: string,
    patterns: readonly string[] = [],
  ): Promise<void> {
    if (this.#redis.runId !== runId) throw new RelayFault('LR_REGISTRY_LOST', 'another Redis server answers')
    const fields = [...positions.flatMap(writePosition), ...patterns.flatMap((it) => [it, FOLLOWED])]
    if (fields.length === 0) return
    if (!(await this.#write(this.#positions, fields)))
      throw new RelayFault('LR_REGISTRY_LOST', 'Redis has lost what was written to it')
  }

  async clearPositions(): Promise<void> {
    await this.#redis.command('DEL', this.#positions)
  }

  async heartbeat(nowMs: number): Promise<void> {
    await this.#write(this.#epoch, ['heartbeat', nowMs])
  }

  async #write(key: string, fields: readonly (string | number)[]): Promise<boolean> {
    // By its source: a call that is repeated because the server does not know its digest would expect an outdated count.
    const args = [this.#epoch, key, ...this.#redis.expectedCount, ...fields]
    return (await this.#ask(key, ['EVAL', WRITE, 2, ...args])) === 1
  }

  /** Notes a key with foreign data as suspect, so that the checks look at it at once. */
  async #ask(key: string, command: RedisCommand): Promise<unknown> {
    try {
      return await this.#redis.command(...command)
    } catch (error) {
      if (isWrongType(error)) this.#redis.suspects.note(key)
      throw error
    }
  }

  async #epochFields(): Promise<unknown[]> {
    try {
      return (await this.#redis.command(
        'HMGET',
        this.#epoch,
        'id',
        'run_id',
        'heartbeat',
        'proved',
      )) as unknown[]
    } catch (error) {
      // An earlier release kept a string there, without positions. The store is rebuilt.
      if (isWrongType(error)) return []
      throw error
    }
  }
}

function timeOf(field: unknown): number | undefined {
  return typeof field === 'string' ? Number(field) : undefined
}

function writePosition({ topic, partition, offset, start, topicId }: AppliedPosition): [string, string] {
  return [`${topic}/${partition}`, `${offset} ${start} ${topicId}`]
}

function readPosition(name: string, text: string): AppliedPosition | undefined {
  const slash = name.lastIndexOf('/')
  const [offset, start, topicId = ''] = text.split(' ')
  const position = {
    topicId,
    topic: name.slice(0, slash),
    partition: Number(name.slice(slash + 1)),
    offset: Number(offset),
    start: Number(start),
  }
  const numbers = [position.partition, position.offset, position.start]
  return numbers.every((it) => Number.isSafeInteger(it) && it >= 0) ? position : undefined
}

import { randomUUID } from 'node:crypto'
import { type ClientFields, clientFieldNames } from '../events/client.ts'
import { type ClientHistory, readHistory } from '../registry/client-history.ts'
import type { ClientStatesStore } from '../registry/client-states-store.ts'
import type { RegistryStep } from '../registry/registry.ts'
import { scanFieldsScript } from './bounded-reads.ts'
import {
  configureClientScript,
  noteStatesScript,
  removeClientScript,
  VERSION_FIELD,
} from './client-scripts.ts'
import { FOREIGN } from './foreign-keys.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'

export type ConfigureStep = Extract<RegistryStep, { kind: 'configure-client' }>

export interface RedisClientsOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  /** How long a removal is remembered for records that come late. Milliseconds. */
  readonly sessionLifetimeMs: number
}

const STEPS_AT_ONCE = 500
const SCAN_COUNT = 1_000

/**
 * What records say of clients: a hash for each, and an index of those that are or were not active, in which every relay sees
 * within a second that a client is paused.
 */
export class RedisClients implements ClientStatesStore {
  readonly #options: RedisClientsOptions

  constructor(options: RedisClientsOptions) {
    this.#options = options
    options.redis.register(configureClientScript, removeClientScript, noteStatesScript, scanFieldsScript)
  }

  /** In order. The index comes last: a crash in between has the records read again. */
  async apply(
    steps: readonly ConfigureStep[],
    send: (commands: readonly RedisCommand[]) => Promise<unknown[]> = (commands) =>
      this.#options.redis.tolerantPipeline(commands),
  ): Promise<void> {
    for (let i = 0; i < steps.length; i += STEPS_AT_ONCE)
      await this.#applyPart(steps.slice(i, i + STEPS_AT_ONCE), send)
  }

  /** As it is now, without what cannot be read. `undefined` when it is as it was at `version`. */
  async read(version: string | undefined) {
    const { keys, redis } = this.#options
    const key = keys.clientStates()
    const [now] = await redis.tolerantPipeline([['HGET', key, VERSION_FIELD]])
    if (now === FOREIGN) redis.suspects.note(key)
    if (typeof now !== 'string' || now === version) return undefined
    const histories = new Map<string, ClientHistory>()
    let cursor = '0'
    do {
      const call = evalScript(scanFieldsScript, [key], [cursor, SCAN_COUNT])
      const [next, flat] = (await redis.command(...call)) as [string, (string | number)[]]
      for (let i = 0; i + 1 < flat.length; i += 2)
        if (flat[i] !== VERSION_FIELD) histories.set(String(flat[i]), readHistory(String(flat[i + 1])))
      cursor = next
    } while (cursor !== '0')
    return { version: now, histories }
  }

  async #applyPart(
    steps: readonly ConfigureStep[],
    send: (commands: readonly RedisCommand[]) => Promise<unknown[]>,
  ): Promise<void> {
    const { keys, redis } = this.#options
    const replies = await send(steps.map((step) => this.#commandOf(step)))
    const states: string[] = []
    for (const [i, { change }] of steps.entries()) {
      const { clientId, issuer } = change
      if (replies[i] === FOREIGN) redis.suspects.note(keys.client(issuer, clientId))
      else if (/paused|retired/.test(String(replies[i])))
        states.push(`${issuer}|${clientId}`, String(replies[i]))
    }
    if (states.length === 0) return
    const [noted] = await send([
      evalScript(noteStatesScript, [keys.clientStates()], [randomUUID(), ...states]),
    ])
    if (noted === FOREIGN) redis.suspects.note(keys.clientStates())
  }

  #commandOf({ change, origin: { topic, partition, offset } }: ConfigureStep): RedisCommand {
    const { keys, sessionLifetimeMs } = this.#options
    const key = keys.client(change.issuer, change.clientId)
    const at = [change.atMs, offset, `${topic}/${partition}`] as const
    if (change.type === 'client-removed')
      return evalScript(removeClientScript, [key], [...at, sessionLifetimeMs, ...clientFieldNames])
    return evalScript(configureClientScript, [key], [...at, change.state ?? '', ...pairsOf(change.settings)])
  }
}

function pairsOf(settings: ClientFields): string[] {
  return clientFieldNames.flatMap((name) => {
    const value = settings[name]
    return value === undefined ? [] : [name, String(value)]
  })
}

import { clientFieldNames } from '../events/client.ts'
import { endpointProblem } from '../events/logout-endpoint.ts'
import { rpSettingsSchema } from '../events/read-registration.ts'
import type { RpName, RpSettings, RpSettingsStore } from '../registry/rp-settings.ts'
import { SETTING_BYTES_MAX } from './bounded-reads.ts'
import { FOREIGN } from './foreign-keys.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript, redisScript } from './redis-script.ts'

export interface RedisRpSettingsOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  readonly onInvalid: (rp: RpName, problem: string) => void
  /** The operator's objection to a URI for that RP, if any. */
  readonly uriProblem?: (rp: RpName, uri: string) => string | undefined
}

/** Read by name: the hash is the identity provider's and may hold any number of other fields. */
const FIELDS: readonly string[] = clientFieldNames

/** KEYS: an RP's settings. ARGV: field names. Returns each value, or the length of one that is too large. */
const readSettingsScript = redisScript(`
if redis.call('HLEN', KEYS[1]) == 0 then return {} end
local answer = {}
for i, name in ipairs(ARGV) do
  local length = redis.call('HSTRLEN', KEYS[1], name)
  answer[i] = length > ${SETTING_BYTES_MAX} and length or redis.call('HGET', KEYS[1], name)
end
return answer
`)

/**
 * RP settings, a hash per RP. An invalid field is reported and ignored; the others count. A key with foreign data has no
 * settings.
 */
export class RedisRpSettings implements RpSettingsStore {
  readonly #options: RedisRpSettingsOptions

  constructor(options: RedisRpSettingsOptions) {
    this.#options = options
    options.redis.register(readSettingsScript)
  }

  async load(rps: readonly RpName[]): Promise<RpSettings[]> {
    const { redis, keys } = this.#options
    const names = rps.map(({ issuer, clientId }) => keys.client(issuer, clientId))
    const replies = await redis.tolerantPipeline(
      names.map((key) => evalScript(readSettingsScript, [key], FIELDS)),
    )
    return rps.map((rp, i) => {
      const reply = replies[i]
      if (reply !== FOREIGN) return this.#read(rp, reply as (string | number | null)[])
      redis.suspects.note(names[i] as string)
      return {}
    })
  }

  #read(rp: RpName, values: readonly (string | number | null)[]): RpSettings {
    const settings: Record<string, unknown> = {}
    for (const [i, name] of FIELDS.entries()) {
      const value = values[i]
      if (value == null) continue
      const problem =
        typeof value === 'number'
          ? `has ${value.toLocaleString('en')} bytes, but may have at most ${SETTING_BYTES_MAX.toLocaleString('en')}`
          : this.#assign(rp, settings, name, value)
      if (problem !== undefined) this.#options.onInvalid(rp, `${name}: ${problem}`)
    }
    return settings
  }

  #assign(rp: RpName, settings: Record<string, unknown>, name: string, value: string): string | undefined {
    if (name === 'backchannelLogoutUri') {
      const problem = endpointProblem(value) ?? this.#options.uriProblem?.(rp, value)
      if (problem === undefined) settings[name] = value
      return problem
    }
    if (name === 'sessionRequired') {
      if (value !== 'true' && value !== 'false') return 'must be true or false'
      settings[name] = value === 'true'
      return undefined
    }
    const parsed = rpSettingsSchema.safeParse({ [name]: value })
    if (!parsed.success) return parsed.error.issues[0]?.message
    Object.assign(settings, parsed.data)
    return undefined
  }
}

import { type Preset, presets, readPreset } from '../../../src/config/mapping-file.ts'
import { type DecodeResult, Decoders } from '../../../src/events/decoding/decode-record.ts'
import { MappingDecoder } from '../../../src/events/decoding/mapping/mapping.ts'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import { type Fixture, fixtures } from '../../unit/events/decoding/mapping/platform-records.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { spokenIn } from '../spoken.ts'

const NOW_MS = 1_800_000_000_000

/**
 * The words of each platform without which no record tells of a logout, as its manual has them. They are written here a second time,
 * so that a rule that takes too much is noticed.
 */
const LOGOUTS: Readonly<Record<Preset, RegExp>> = {
  keycloak:
    /^(access\.)?(LOGOUT|USER_SESSION_DELETED|DELETE_ACCOUNT|USER_DISABLED_BY_PERMANENT_LOCKOUT|UPDATE_PASSWORD|RESET_PASSWORD|UPDATE_CREDENTIAL)$|^users\/[^/]+(\/logout|\/reset-password)?$|^sessions\/[^/]+$/,
  zitadel:
    /^(session\.terminated|user\.human\.signed\.out|user\.deactivated|user\.locked|user\.removed|user\.human\.password\.changed)$/,
  fusionauth: /^(jwt\.refresh-token\.revoke|user\.deactivate|user\.delete\.complete|user\.password\.update)$/,
  wso2: /\/(sessionRevoked|userDisabled|userAccountLocked|userDeleted|credentialUpdated)$/,
  auth0: /^(slo|sdu|scp|universal_logout_succeeded)$/,
  okta: /^user\.(session\.(end|clear)|lifecycle\.(suspend|deactivate|delete\.completed)|account\.update_password)$/,
  ory: /^(SessionRevoked|IdentityUpdated|IdentityDeleted)$/,
}

function recordOf(value: Buffer): WireRecord {
  return { topic: 'platform', partition: 1, offset: 7, timestampMs: NOW_MS, key: null, value, headers: {} }
}

function holds(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what)
}

function checkTriggers(preset: Preset, results: readonly DecodeResult[], input: Buffer): void {
  const triggers = results.flatMap((it) => (it.kind === 'trigger' ? [it.trigger] : []))
  if (triggers.length === 0) return
  // The framing of a schema registry.
  const spoken = [...spokenIn(input.subarray(input[0] === 0 ? 5 : input[0] === 1 ? 17 : 0).toString())]
  holds(
    spoken.some((it) => LOGOUTS[preset].test(it)),
    'a logout of a record that tells of none',
  )
  for (const trigger of triggers) {
    const ids = trigger.type === 'user-signed-out' ? [trigger.userId] : [trigger.sessionId]
    // FusionAuth has no sessions, so the preset calls one by two ids.
    const parts = ids.flatMap((id) => (preset === 'fusionauth' ? id.split(':') : [id]))
    for (const id of parts)
      holds(
        spoken.some((it) => it.includes(id)),
        `a logout of ${id}, which nobody named`,
      )
  }
}

const bytesOf = ({ value }: Fixture) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))

/** One for each preset, with all rules: what it is given is made of records of logouts and of others. */
export const mappingTargets: readonly FuzzTarget[] = presets.map((preset) => {
  const mapping = new MappingDecoder([{ topics: ['*'], ...readPreset(preset) }])
  const decoders = new Decoders((name = 'https://only.example') => name, [mapping])
  return {
    name: `mapped-${preset}`,
    samples: fixtures[preset].map(bytesOf),
    parse: (input) => {
      const decoded = decoders.decode(recordOf(input), NOW_MS)
      const results = 'kind' in decoded ? [decoded] : decoded
      checkTriggers(preset, results, input)
      for (const it of results)
        if (it.kind === 'poison') holds(it.reason.length < 2_000, 'a reason without an end')
      return results
    },
    isRead: (output) => (output as DecodeResult[]).every(({ kind }) => kind !== 'poison'),
    growth: 512,
  }
})

import { expect, test } from 'vitest'
import { readPreset } from '../../../../../src/config/mapping-file.ts'
import { optionsSchema } from '../../../../../src/config/options.ts'
import { Decoders } from '../../../../../src/events/decoding/decode-record.ts'
import { MappingDecoder } from '../../../../../src/events/decoding/mapping/mapping.ts'
import { isOutcomeType, outcomeId } from '../../../../../src/events/outcome.ts'
import { Pipeline } from '../../../../../src/intake/pipeline.ts'
import type { RegistryStep } from '../../../../../src/registry/registry.ts'
import { BackchannelLogout } from '../../../../../src/transports/backchannel-logout/backchannel-logout.ts'
import { MemoryRegistry } from '../../../../support/memory-registry.ts'
import { sectionOf } from '../../../../support/pages.ts'
import { ISSUER, sampleOrigin } from '../../../sample-registration.ts'
import { servedIssuer } from '../../../served-issuer.ts'
import { preparedBy } from '../../../transports/transport-contract.ts'

const INSTANCE = '840498034930840'
const AT = '2026-01-31T09:30:00Z'
const NOW_MS = Date.parse('2026-06-01T00:00:00Z')

const mapping = new MappingDecoder([{ topics: ['*'], ...readPreset('zitadel') }])
const decoders = new Decoders((name) => (name === INSTANCE ? ISSUER : undefined), [mapping])
const pipelineWith = (signedOutWithoutSession: 'fan-out' | 'ignore') =>
  new Pipeline(decoders, servedIssuer({ isEnabled: true, signedOutWithoutSession }))

function stepOf(after: object, how: 'fan-out' | 'ignore' = 'fan-out'): RegistryStep | undefined {
  const row = { instance_id: INSTANCE, aggregate_id: 's-1', created_at: AT, payload: '{}', ...after }
  const value = Buffer.from(JSON.stringify({ before: null, after: row, op: 'c', source: {} }))
  const record = {
    topic: 'events2',
    partition: 0,
    offset: 1,
    timestampMs: Date.parse(AT),
    key: null,
    headers: {},
  }
  const pipeline = pipelineWith(how)
  const decoded = pipeline.decoders.decode({ ...record, value }, NOW_MS)
  return 'kind' in decoded ? pipeline.step(decoded) : undefined
}

const registered = (id: string) =>
  stepOf({
    event_type: 'session_logout.back_channel.registered',
    payload: JSON.stringify({
      ...{ oidc_session_id: id, user_id: 'u-1', client_id: `client-${id}` },
      back_channel_logout_uri: `https://${id}.example/bcl`,
    }),
  })
const terminated = (more: object = {}) => stepOf({ event_type: 'session.terminated', ...more })

async function told(registry: MemoryRegistry, ...steps: readonly (RegistryStep | undefined)[]) {
  const answers = await registry.apply(steps.filter((it) => it !== undefined))
  const owed = answers.flatMap((it) => (it.kind === 'owed' ? it.groups : []))
  return owed.flatMap(({ registrations }) => registrations)
}

function tokens(count: number) {
  const register = registered('o-1')
  if (register?.kind !== 'register') throw new Error('it is a registration')
  const sign = (_: unknown, payload: string, done: (token: Buffer) => void) => done(Buffer.from(payload))
  const issuer = { signer: { sign }, alg: 'RS256' as const, tokenLifetimeMs: 120_000 }
  const transport = new BackchannelLogout({
    clients: { tokenType: () => 'logout+jwt' },
    issuers: { get: () => issuer as never },
    lateAfterMs: 3_600_000,
  })
  const { registration } = register
  const rp = { issuer: ISSUER, clientId: registration.clientId, settings: {} }
  const delivery = { rp, registration, coalesced: [], cause: { occurredAtMs: NOW_MS } }
  return Array.from({ length: count }, () => {
    const prepared = preparedBy(transport, delivery, NOW_MS)
    if (prepared.kind !== 'request') throw new Error(prepared.message)
    return JSON.parse(prepared.body.toString().replace(/^logout_token=/, '')) as Record<string, unknown>
  })
}

const judge = (status: number) => {
  const transport = new BackchannelLogout({ clients: {}, issuers: {}, lateAfterMs: 1 } as never)
  return transport.judge({ kind: 'answered', status } as never)
}

/** By what ZITADEL's handler does, as the page has it. */
const rows: Readonly<Record<string, () => unknown>> = {
  'sends nothing where the feature is off': async () => {
    expect(await told(new MemoryRegistry(), terminated())).toEqual([])
  },
  'ignores a sign-out without a session': () => {
    const signedOut = {
      event_type: 'user.human.signed.out',
      aggregate_id: 'u-1',
      payload: '{"userAgentID":"a"}',
    }
    expect(stepOf(signedOut)).toMatchObject({ kind: 'end-user', userId: 'u-1' })
    expect(stepOf(signedOut, 'ignore')).toBeUndefined()
  },
  'takes `iss` from the request of the logout': async () => {
    const elsewhere = JSON.stringify({ triggerOrigin: 'https://other.example' })
    const [registration] = await told(
      new MemoryRegistry(),
      registered('o-1'),
      terminated({ payload: elsewhere }),
    )
    expect(registration?.issuer).toBe(ISSUER)
  },
  'tells every registration of the session without `sent`': async () => {
    const registry = new MemoryRegistry()
    const all = await told(registry, ...['o-1', 'o-2', 'o-3'].map(registered), terminated())
    expect(all.map(({ oidcSessionId }) => oidcSessionId)).toEqual(['o-1', 'o-2', 'o-3'])
    await registry.settle(all.slice(0, 1))
    const left = await told(registry, terminated())
    expect(left.map(({ oidcSessionId }) => oidcSessionId)).toEqual(['o-2', 'o-3'])
  },
  'writes `sent` for each OIDC session': async () => {
    const all = await told(new MemoryRegistry(), registered('o-1'), registered('o-2'), terminated())
    const ids = new Set(all.map((it) => outcomeId(sampleOrigin(), it)))
    expect(ids.size).toBe(2)
  },
  'begins at the current position': () => {
    expect(optionsSchema.shape.KAFKA_START_FROM.parse(undefined)).toBe('latest')
  },
  'signs `sub` = user, `sid` = session, `aud` = client': () => {
    expect(tokens(1)[0]).toMatchObject({ iss: ISSUER, sub: 'u-1', sid: 's-1', aud: 'client-o-1' })
  },
  'signs for 15 minutes': () => {
    const [token] = tokens(1)
    expect(Number(token?.exp) - Number(token?.iat)).toBe(120)
  },
  'has one `jti` for all attempts': () => {
    expect(new Set(tokens(3).map(({ jti }) => jti)).size).toBe(3)
  },
  'takes 400 for success': () => {
    expect(judge(400)).toBe('doubtful')
  },
  'has no event for a failure': () => {
    expect(isOutcomeType('backchannel-logout-failed')).toBe(true)
  },
  'fails the event with one RP, and tells all of them again': async () => {
    const registry = new MemoryRegistry()
    const all = await told(registry, registered('o-1'), registered('o-2'), terminated())
    expect(judge(503)).toBe('retry')
    await registry.settle(all.filter(({ oidcSessionId }) => oidcSessionId === 'o-1'))
    const again = await told(registry, terminated())
    expect(again.map(({ oidcSessionId }) => oidcSessionId)).toEqual(['o-2'])
  },
}

const table = sectionOf('docs/feed-it/zitadel.md', "Beside ZITADEL's own handler")
const written = [...table.matchAll(/^\| (?!ZITADEL's)([^|]+?) \|/gm)].map(([, first]) => first as string)

test('the page and the tests have the same rows', () => {
  expect(written).toEqual(Object.keys(rows))
})

test.each(Object.entries(rows))("ZITADEL's handler %s", async (_row, holds) => {
  await holds()
})

import type Provider from 'oidc-provider'
import { describe, expect, test } from 'vitest'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import { codeOf, messageOf } from '../../../src/lib/errors.ts'
import type { KafkaProducer } from '../../../src/node-oidc-provider/kafka-producer.ts'
import {
  type OidcProvider,
  type RelayLogoutsOptions,
  relayLogouts,
} from '../../../src/node-oidc-provider/relay-logouts.ts'
import { eventually } from '../../support/eventually.ts'
import { createOidcProvider } from '../../support/identity/create-oidc-provider.ts'
import { providerKey } from '../../support/identity/provider.ts'

const ISSUER = 'https://login.test.example'
const jwks = { keys: [providerKey()] }
const LOGOUT_URI = 'https://shop.test.example/backchannel-logout'

type Sent = Parameters<KafkaProducer['send']>[0]['messages'][number]

/** A Kafka that can be away, or silent. */
class Kafka implements KafkaProducer {
  readonly sent: Sent[] = []
  state: 'there' | 'away' | 'silent' = 'there'
  /** A broker's word for a value that its topic will never take; all other records of the request are refused with it. */
  refuses: ((value: string) => string | undefined) | undefined
  /** Of the next request that has such a record. `lost`: it is answered, and nothing was written. */
  readonly trouble = new Map<string, 'refused' | 'lost'>()

  async send({ messages }: Parameters<KafkaProducer['send']>[0]): Promise<readonly object[]> {
    if (this.state === 'away') throw new Error('no broker')
    if (this.state === 'silent') return new Promise(() => undefined)
    for (const { value } of messages) {
      const type = this.refuses?.(value)
      // As kafkajs wraps it.
      if (type !== undefined) throw new Error('refused', { cause: Object.assign(new Error(type), { type }) })
    }
    for (const { headers } of messages) {
      const trouble = this.trouble.get(String(headers.ce_type))
      this.trouble.delete(String(headers.ce_type))
      if (trouble === 'refused') throw new Error('no leader')
      if (trouble === 'lost') return []
    }
    this.sent.push(...messages)
    return [{ partition: 0 }]
  }

  get types(): string[] {
    return this.sent.map(({ headers }) => String(headers.ce_type))
  }

  /** As the relay reads them. */
  get decoded(): object[] {
    const decoders = new Decoders((name = ISSUER) => name)
    return this.sent.map(({ headers, value }) => {
      const wire = { topic: 't', partition: 0, offset: 0, timestampMs: Date.now(), key: null, headers }
      return decoders.decode({ ...wire, value: Buffer.from(value) }, Date.now())
    })
  }
}

async function openProvider(options: Partial<RelayLogoutsOptions> = {}, configuration = {}) {
  const kafka = new Kafka()
  const errors: Error[] = []
  const provider = createOidcProvider(ISSUER, jwks, configuration)
  const onError = (error: Error) => void errors.push(error)
  const logouts = await relayLogouts(provider, { producer: kafka, timeoutMs: 50, onError, ...options })
  return { kafka, errors, provider, logouts }
}

/** What the provider does when an RP logs somebody in: it issues an ID token within a request. */
async function logIn(
  provider: Provider,
  metadata: object = {},
  {
    params = {},
    sid = 'sid-1',
    use = 'idtoken',
  }: { readonly params?: object; readonly sid?: string; readonly use?: string } = {},
): Promise<string> {
  await provider.Client.adapter.upsert('shop', {
    client_id: 'shop',
    client_secret: 'secret',
    redirect_uris: ['https://shop.test.example/callback'],
    backchannel_logout_uri: LOGOUT_URI,
    backchannel_logout_session_required: true,
    ...metadata,
  })
  const client = await provider.Client.find('shop')
  const session = { uid: 'session-1', accountId: 'alice' }
  const ctx = { oidc: { client, params, session, entities: {} } }
  const token = new provider.IdToken({ sub: 'alice' }, { ctx, client })
  token.scope = 'openid'
  if (sid !== '') token.set('sid', sid)
  return token.issue({ use })
}

function endSession(provider: Provider): Promise<void> {
  return new provider.Session({ jti: 'cookie-1', uid: 'session-1', accountId: 'alice' }).destroy()
}

describe('a login', () => {
  test('is registered with what the RP sees', async () => {
    const { kafka, provider } = await openProvider()
    await logIn(provider)
    expect(kafka.sent[0]?.key).toBe('session-1')
    expect(kafka.decoded).toMatchObject([
      {
        kind: 'registration',
        registration: {
          ...{ issuer: ISSUER, sessionId: 'session-1', oidcSessionId: 'sid-1', clientId: 'shop' },
          ...{ userId: 'alice', sub: 'alice', sid: 'sid-1', backchannelLogoutUri: LOGOUT_URI },
          sessionRequired: true,
        },
      },
    ])
  })

  test('of a client with pairwise subjects has the subject of that client, and the user as it is called here', async () => {
    const { kafka, provider } = await openProvider(
      { userId: async (accountId) => `${accountId}@example`, issuer: 'realm:shop' },
      { subjectTypes: ['public', 'pairwise'], pairwiseIdentifier: () => 'pairwise-1' },
    )
    await logIn(provider, { subject_type: 'pairwise' })
    expect(JSON.parse(kafka.sent[0]?.value ?? '')).toMatchObject({
      ...{ issuer: 'realm:shop', userId: 'alice@example', sub: 'pairwise-1' },
    })
  })

  test('of a client that sees no sid is told by sub', async () => {
    const { kafka, provider } = await openProvider()
    await logIn(provider, { backchannel_logout_session_required: false }, { sid: '' })
    expect(kafka.decoded).toMatchObject([{ registration: { oidcSessionId: 'shop', claims: 'sub' } }])
  })

  test('is not registered again by a refresh token or another token, nor at all without a back-channel URI', async () => {
    const { kafka, provider } = await openProvider()
    await logIn(provider, {}, { use: 'logout' })
    await logIn(provider, {}, { params: { grant_type: 'refresh_token' } })
    await logIn(provider, { backchannel_logout_uri: undefined, backchannel_logout_session_required: false })
    expect(kafka.sent).toEqual([])
  })

  test('of a client whose algorithm the relay lacks is registered, and that is told once', async () => {
    const { kafka, provider, errors } = await openProvider(
      {},
      { enabledJWA: { idTokenSigningAlgValues: ['RS256', 'HS256'] } },
    )
    await logIn(provider, { id_token_signed_response_alg: 'HS256', client_secret: 's'.repeat(64) })
    await logIn(provider, { id_token_signed_response_alg: 'HS256', client_secret: 's'.repeat(64) })
    expect(kafka.decoded).toMatchObject([{ kind: 'registration' }, { kind: 'registration' }])
    expect(errors.map(codeOf)).toEqual(['LR_USAGE'])
    expect(messageOf(errors[0])).toContain('client shop')
  })
})

test('the end of a session is on Kafka before the session is gone, and the provider tells nobody itself', async () => {
  const { kafka, provider } = await openProvider()
  await logIn(provider)
  const sentBefore: string[] = []
  provider.on('session.destroyed', () => void sentBefore.push(...kafka.types))
  await endSession(provider)
  expect(sentBefore).toEqual(['backchannel-logout-registered', 'session-terminated'])
  expect(kafka.decoded).toMatchObject([
    { kind: 'registration' },
    { kind: 'trigger', trigger: { type: 'session-terminated', sessionId: 'session-1', userId: 'alice' } },
  ])
  // It would fail: nobody listens there.
  const client = await provider.Client.find('shop')
  await expect(client.backchannelLogout('alice', 'sid-1')).resolves.toBeUndefined()
})

test('a session in which nobody has logged in ends without a word', async () => {
  const { kafka, provider } = await openProvider()
  await new provider.Session({ jti: 'cookie-1', uid: 'session-1' }).destroy()
  expect(kafka.sent).toEqual([])
})

test('an account signs out everywhere, and a session that expired is told by hand', async () => {
  const { kafka, logouts } = await openProvider()
  expect(await logouts.signedOut('alice', 'disabled')).toBe('published')
  expect(await logouts.sessionEnded('session-1', 'alice', 'expired')).toBe('published')
  expect(kafka.decoded).toMatchObject([
    { trigger: { type: 'user-signed-out', userId: 'alice', reason: 'disabled' } },
    { trigger: { type: 'session-terminated', sessionId: 'session-1', reason: 'expired' } },
  ])
})

describe('while Kafka is away', () => {
  test.each(['away', 'silent'] as const)('(%s) logins and logouts go on, each is told', async (state) => {
    const { kafka, provider, errors } = await openProvider()
    kafka.state = state
    await logIn(provider)
    await endSession(provider)
    expect(errors.map(codeOf)).toEqual(['LR_UNREACHABLE', 'LR_UNREACHABLE'])
    expect(messageOf(errors[1])).toContain('session-terminated of session session-1')
  })

  test('nothing is lost that it takes when it is back, and a session keeps its order', async () => {
    const { kafka, provider, errors, logouts } = await openProvider()
    kafka.state = 'away'
    await logIn(provider)
    await endSession(provider)
    expect(await logouts.signedOut('alice')).toBe('buffered')
    kafka.state = 'there'
    await eventually(() => expect(kafka.sent).toHaveLength(3))
    expect(kafka.types.filter((type) => type !== 'user-signed-out')).toEqual([
      'backchannel-logout-registered',
      'session-terminated',
    ])
    expect(errors.map(codeOf)).not.toContain('LR_RECORD_LOST')
    expect(await logouts.signedOut('alice')).toBe('published')
    await logouts.close()
  })

  test.each(['refused', 'lost'] as const)(
    '(one request %s) nothing is overtaken, or sent again',
    async (trouble) => {
      const { kafka, provider, logouts } = await openProvider()
      kafka.state = 'away'
      // It waits alone; those after it are sent together.
      await logouts.signedOut('alice')
      await logIn(provider)
      await endSession(provider)
      await logouts.signedOut('bob')
      kafka.trouble.set('backchannel-logout-registered', trouble)
      kafka.state = 'there'
      await eventually(() => expect(kafka.types).toContain('session-terminated'))
      expect(kafka.types.filter((type) => type !== 'user-signed-out')).toEqual([
        'backchannel-logout-registered',
        'session-terminated',
      ])
      expect(kafka.types.filter((type) => type === 'user-signed-out')).toHaveLength(2)
    },
  )

  test('an id that no relay takes is lost, and told, instead of holding up those behind it', async () => {
    const { errors, logouts } = await openProvider()
    for (const id of [42, undefined, '', 'x'.repeat(1_025), 'a\nb'])
      expect(await logouts.signedOut(id as string)).toBe('lost')
    expect(errors.map(codeOf)).toEqual(Array(5).fill('LR_RECORD_LOST'))
    expect(await logouts.signedOut('bob')).toBe('published')
  })

  test.each(['MESSAGE_TOO_LARGE', 'INVALID_RECORD'])(
    'a record that Kafka refuses for good (%s) is lost, and told, and jams none behind it, of its session or of another',
    async (type) => {
      const { kafka, errors, logouts } = await openProvider()
      kafka.refuses = (value) => (value.includes('refused') ? type : undefined)
      const ended = (session: string, reason?: string) => logouts.sessionEnded(session, 'alice', reason)
      const results = await Promise.all([
        ended('s-1', 'first'),
        ended('s-1', 'refused'),
        ended('s-1', 'last'),
        ended('s-2'),
        logouts.signedOut('bob'),
      ])
      expect(results).toEqual(['published', 'lost', 'published', 'published', 'published'])
      expect(errors.map(codeOf)).toEqual(['LR_RECORD_LOST'])
      expect(messageOf(errors[0])).toMatch(new RegExp(`session s-1.*topic session-events.*${type}`))
      const reasons = kafka.sent
        .filter(({ key }) => key === 's-1')
        .map(({ value }) => JSON.parse(value).reason)
      expect(reasons).toEqual(['first', 'last'])
    },
  )

  test('a right or a topic that is missing may come: what waits is told with the reason, and sent then', async () => {
    const { kafka, errors, logouts } = await openProvider()
    for (const type of ['TOPIC_AUTHORIZATION_FAILED', 'UNKNOWN_TOPIC_OR_PARTITION']) {
      kafka.refuses = () => type
      expect(await logouts.signedOut('alice')).toBe('buffered')
    }
    kafka.refuses = undefined
    await eventually(() => expect(kafka.sent).toHaveLength(2))
    expect(new Set(errors.map(codeOf))).toEqual(new Set(['LR_UNREACHABLE']))
  })

  test('a reason that is longer than a relay takes loses no logout, and a record that is too large for one is told', async () => {
    const { kafka, provider, errors, logouts } = await openProvider()
    expect(await logouts.signedOut('alice', 'x'.repeat(2_000))).toBe('published')
    expect(kafka.decoded).toMatchObject([{ kind: 'trigger', trigger: { userId: 'alice' } }])
    await logIn(provider, { backchannel_logout_uri: `https://rp.example/${'x'.repeat(300_000)}` })
    expect(errors.map(codeOf)).toEqual(['LR_RECORD_LOST'])
  })

  test('what does not fit into memory is lost, and told', async () => {
    const { kafka, errors, logouts } = await openProvider({ timeoutMs: 0 })
    kafka.state = 'silent'
    const results = await Promise.all(Array.from({ length: 10_001 }, () => logouts.signedOut('alice')))
    expect(results.slice(0, -1)).not.toContain('lost')
    expect(results.at(-1)).toBe('lost')
    expect(errors.map(codeOf)).toContain('LR_RECORD_LOST')
  })

  test('what waits when the provider stops is lost, and told', async () => {
    const { kafka, errors, logouts } = await openProvider()
    kafka.state = 'silent'
    await logouts.signedOut('alice')
    await logouts.close()
    expect(errors.map(codeOf)).toEqual(['LR_UNREACHABLE', 'LR_RECORD_LOST'])
    expect(await logouts.signedOut('bob')).toBe('lost')
  })
})

test('a fault in what the provider supplies fails no login', async () => {
  const fail = () => {
    throw new Error('no such account')
  }
  const { kafka, provider, errors } = await openProvider({ userId: fail })
  expect(await logIn(provider)).toMatch(/^ey/)
  expect(errors.map(codeOf)).toEqual(['LR_RECORD_LOST'])
  const silent = await openProvider({ onError: fail })
  silent.kafka.state = 'away'
  expect(await logIn(silent.provider)).toMatch(/^ey/)
  expect(kafka.sent).toEqual([])
})

test.each<[string, unknown, object]>([
  ['IdToken', { Client: { prototype: { backchannelLogout: () => undefined } } }, { brokers: ['k:9092'] }],
  ['brokers', undefined, {}],
  ['brokers', undefined, { brokers: ['k:9092'], producer: new Kafka() }],
  ['brokers', undefined, { brokers: [] }],
  ['brokers', undefined, { brokers: ['kafka://k'] }],
  ['brokers', undefined, { brokers: 'k:9092' }],
  ['producer', undefined, { producer: {} }],
  ['topic', undefined, { producer: new Kafka(), topic: 'a topic' }],
  ['topic', undefined, { producer: new Kafka(), topic: 7 }],
  ['topic', undefined, { producer: new Kafka(), topic: '..' }],
  ['timeoutMs', undefined, { producer: new Kafka(), timeoutMs: '2s' }],
  ['brokers', undefined, { brokers: ['k:99999'] }],
  ['brokers', undefined, { brokers: [9092] }],
  ['broker', undefined, { broker: ['k:9092'] }],
  ['producer', undefined, { producer: null }],
  ['issuer', undefined, { producer: new Kafka(), issuer: '' }],
  ['issuer', undefined, { producer: new Kafka(), issuer: new URL(ISSUER) }],
  ['userId', undefined, { producer: new Kafka(), userId: 'sub' }],
  ['onError', undefined, { producer: new Kafka(), onError: console }],
  ['options', undefined, undefined as unknown as object],
])('%s is refused when it is wrong: %#', async (name, provider, options) => {
  const given = (provider ?? createOidcProvider(ISSUER, jwks)) as OidcProvider
  const refused = relayLogouts(given, options as RelayLogoutsOptions)
  await expect(refused).rejects.toMatchObject({ code: 'LR_USAGE' })
  await expect(refused).rejects.toThrow(name)
})

test('a second call for one provider is refused: each record would be written twice', async () => {
  const { kafka, provider } = await openProvider()
  await expect(relayLogouts(provider, { producer: kafka })).rejects.toMatchObject({ code: 'LR_USAGE' })
})

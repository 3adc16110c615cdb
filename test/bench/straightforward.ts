/**
 * The straightforward consumer: a sound service as a competent team writes it in an afternoon with well-known
 * packages. Partitions are consumed concurrently, a chunk of triggers at a time; tokens by jose, POSTs by undici
 * with kept-alive connections and three tries, the outcomes of a chunk in one request, offsets committed when the
 * batch is done.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type CryptoKey, importJWK, type JWK, SignJWT } from 'jose'
import { Kafka, type KafkaMessage, type Message } from 'kafkajs'
import { Agent, request } from 'undici'

const { KAFKA_BROKERS = '', KAFKA_TOPICS: topic = '', KAFKA_GROUP_ID: groupId = '' } = process.env
const { REDIS_URL = '', REDIS_PREFIX = '', ISSUER = '', SIGNING_KEYS_FILE = '' } = process.env
/** What measured best of 10 to 100 sessions and 1 to 16 connections. */
const CHUNK = 50
const CONNECTIONS_PER_ORIGIN = 2
const ATTEMPTS_MAX = 3

interface Registration {
  oidcSessionId: string
  clientId: string
  sub: string
  sid: string
  backchannelLogoutUri: string
  alg: string
}

const kafka = new Kafka({ clientId: 'straightforward', brokers: KAFKA_BROKERS.split(',') })
const consumer = kafka.consumer({ groupId })
const producer = kafka.producer()
const redis = new Redis(REDIS_URL)
const agent = new Agent({ connections: CONNECTIONS_PER_ORIGIN, headersTimeout: 10_000, bodyTimeout: 10_000 })
const keys = new Map<string, { kid: string; key: CryptoKey | Uint8Array }>()
for (const jwk of JSON.parse(await readFile(SIGNING_KEYS_FILE, 'utf8')).keys as (JWK & { kid: string })[]) {
  keys.set(String(jwk.alg), { kid: jwk.kid, key: await importJWK(jwk) })
}

await producer.connect()
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
await consumer.run({
  autoCommit: false,
  partitionsConsumedConcurrently: 6,
  eachBatch: async ({ batch, heartbeat, isRunning, isStale }) => {
    const triggers = batch.messages.filter(
      (message) => String(message.headers?.ce_type) === 'session-terminated',
    )
    for (let start = 0; start < triggers.length; start += CHUNK) {
      if (!isRunning() || isStale()) return
      const outcomes = await Promise.all(triggers.slice(start, start + CHUNK).map(logOutSession))
      await producer.sendBatch({ topicMessages: [{ topic, messages: outcomes.flat() }] })
      await heartbeat()
    }
    const offset = String(BigInt(batch.lastOffset()) + 1n)
    await consumer.commitOffsets([{ topic, partition: batch.partition, offset }])
  },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await consumer.disconnect()
    await producer.disconnect()
    redis.disconnect()
    await agent.close()
  })
}

async function logOutSession(message: KafkaMessage): Promise<Message[]> {
  const { sessionId } = JSON.parse(String(message.value)) as { sessionId: string }
  const registrations = await redis.hgetall(`${REDIS_PREFIX}:session:{${ISSUER}|${sessionId}}`)
  return Promise.all(
    Object.values(registrations).map(async (json) => {
      const registration = JSON.parse(json) as Registration
      const { oidcSessionId, clientId, sub, sid } = registration
      const result = await deliver(registration)
      return {
        key: sessionId,
        value: JSON.stringify({ issuer: ISSUER, sessionId, oidcSessionId, clientId, sub, sid, ...result }),
        headers: {
          ce_specversion: '1.0',
          ce_id: `${message.headers?.ce_id}/${oidcSessionId}`,
          ce_source: 'straightforward',
          ce_type: result.sent ? 'backchannel-logout-sent' : 'backchannel-logout-failed',
          'content-type': 'application/json',
        },
      }
    }),
  )
}

async function deliver(
  registration: Registration,
): Promise<{ sent: boolean; attempts: number; status?: number }> {
  for (let attempts = 1; ; attempts += 1) {
    const status = await post(registration).catch(() => undefined)
    if (status === 200 || status === 204) return { sent: true, attempts, status }
    if (attempts === ATTEMPTS_MAX) return { sent: false, attempts, ...(status !== undefined && { status }) }
    await setTimeout(1_000 * attempts)
  }
}

async function post(registration: Registration): Promise<number> {
  const { statusCode, body } = await request(registration.backchannelLogoutUri, {
    dispatcher: agent,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ logout_token: await logoutToken(registration) }).toString(),
  })
  await body.dump()
  return statusCode
}

async function logoutToken({ alg, clientId, sub, sid }: Registration): Promise<string> {
  const signing = keys.get(alg)
  if (signing === undefined) throw new Error(`no key for ${alg}`)
  return new SignJWT({ sub, sid, events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })
    .setProtectedHeader({ alg, kid: signing.kid, typ: 'logout+jwt' })
    .setIssuer(ISSUER)
    .setAudience(clientId)
    .setIssuedAt()
    .setExpirationTime('2m')
    .setJti(randomUUID())
    .sign(signing.key)
}

/**
 * The bare loop: what is left when only the unavoidable is done. For each session the registrations are read from
 * Redis (HGETALL), a token is signed per registration with node:crypto and POSTed with undici. No Kafka, no retry,
 * no outcome. Each line of stdin is a JSON array of session ids; `done` is printed when all their POSTs are
 * answered.
 */
import { createPrivateKey, type JsonWebKey, type KeyObject, randomUUID, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { Pool } from 'undici'

const { REDIS_URL = '', REDIS_PREFIX = '', ISSUER = '', SIGNING_KEYS_FILE = '' } = process.env
/** Both as measured best: with more connections, each wake-up of the process brings less work. */
const SESSIONS_AT_ONCE = 64
const CONNECTIONS_PER_ORIGIN = 2

interface Registration {
  clientId: string
  sub: string
  sid: string
  backchannelLogoutUri: string
  alg: string
}

const redis = new Redis(REDIS_URL)
const pools = new Map<string, Pool>()
const keys = new Map<string, { kid: string; key: KeyObject }>()
for (const jwk of JSON.parse(readFileSync(SIGNING_KEYS_FILE, 'utf8')).keys as (JsonWebKey & {
  kid: string
})[]) {
  keys.set(String(jwk.alg), { kid: jwk.kid, key: createPrivateKey({ key: jwk, format: 'jwk' }) })
}

for await (const line of createInterface({ input: process.stdin })) {
  await logOut(JSON.parse(line) as string[])
  process.stdout.write('done\n')
}
redis.disconnect()

async function logOut(sessionIds: string[]): Promise<void> {
  const remaining = sessionIds.values()
  // All of them draw from one iterator, so a slow session holds up nothing but its own place.
  await Promise.all(
    Array.from({ length: SESSIONS_AT_ONCE }, async () => {
      for (const sessionId of remaining) await logOutSession(sessionId)
    }),
  )
}

async function logOutSession(sessionId: string): Promise<void> {
  const registrations = await redis.hgetall(`${REDIS_PREFIX}:session:{${ISSUER}|${sessionId}}`)
  await Promise.all(
    Object.values(registrations).map(async (json) => deliver(JSON.parse(json) as Registration)),
  )
}

async function deliver(registration: Registration): Promise<void> {
  const { origin, pathname, search } = new URL(registration.backchannelLogoutUri)
  let pool = pools.get(origin)
  if (pool === undefined) {
    pool = new Pool(origin, { connections: CONNECTIONS_PER_ORIGIN })
    pools.set(origin, pool)
  }
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: pathname + search,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `logout_token=${logoutToken(registration)}`,
  })
  await body.dump()
  if (statusCode !== 200) throw new Error(`${registration.backchannelLogoutUri} answered ${statusCode}`)
}

function logoutToken({ alg, clientId, sub, sid }: Registration): string {
  const signing = keys.get(alg)
  if (signing === undefined) throw new Error(`no key for ${alg}`)
  const iat = Math.floor(Date.now() / 1_000)
  const header = { alg, kid: signing.kid, typ: 'logout+jwt' }
  const payload = {
    iss: ISSUER,
    aud: clientId,
    iat,
    exp: iat + 120,
    jti: randomUUID(),
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    sub,
    sid,
  }
  const unsigned = `${base64url(header)}.${base64url(payload)}`
  // Without the encoding an ECDSA signature comes out as DER, which JWS does not want; RSA ignores it.
  const signature = sign('sha256', Buffer.from(unsigned), { key: signing.key, dsaEncoding: 'ieee-p1363' })
  return `${unsigned}.${signature.toString('base64url')}`
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

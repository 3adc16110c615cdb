import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { Examined } from '../support/run-doctor.ts'
import { selfSignedCertificate } from '../support/self-signed-certificate.ts'
import { openSite } from './open-site.ts'

let site: RelaySite
let server: Server
let connections = 0
let authority: string

beforeAll(async () => {
  site = await openSite()
  const { key, cert } = selfSignedCertificate('localhost')
  authority = join(site.folder, 'authority.pem')
  await writeFile(authority, cert)
  server = createServer({ key, cert }, (_request, response) => end(response, 400))
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await site.close()
})

const https = (host: string) => `https://${host}:${(server.address() as AddressInfo).port}/logout?key=geheim`
const allowed = { EGRESS_ALLOW: '127.0.0.0/8,localhost', EGRESS_ALLOW_HTTP: 'true' }

/** Looks at an RP; the issuer is away, which is none of these tests' business. */
function examine(uri: string, env: Readonly<Record<string, string>> = {}, ...args: readonly string[]) {
  const all = {
    ...site.environment(),
    KAFKA_BROKERS: inject('kafkaBrokers'),
    REDIS_URL: inject('redisUrl'),
    ISSUER,
    SIGNING_KEYS_FILE: site.keysFile,
    ...env,
  }
  return Examined.by(all, '--rp', uri, ...args)
}

describe('over TLS', () => {
  test('an RP with a certificate that is trusted answers; its query is not shown', async () => {
    const examined = await examine(https('localhost'), { ...allowed, NODE_EXTRA_CA_CERTS: authority })
    expect(examined.of('rp-uri')[0]).toMatch(/^ok: https:\/\/localhost:\d+\/logout\?…$/)
    expect(examined.of('rp-resolves')[0]).toContain('127.0.0.1')
    expect(examined.of('rp-egress').every((found) => found.startsWith('ok: '))).toBe(true)
    expect(examined.of('rp-tls')).toEqual(['ok: TLSv1.3, certificate for localhost, signed by localhost'])
    expect(examined.of('rp-certificate')[0]).toMatch(/^ok: the certificate is valid until 2049-01-01/)
    expect(examined.of('rp-answer')).toEqual(['ok: 400 to a request without a token, as expected'])
    expect(examined.output).not.toContain('geheim')
  })

  test('a self-signed certificate is named, and no request is made', async () => {
    const examined = await examine(https('localhost'), allowed)
    expect(examined.of('rp-tls')[0]).toMatch(
      /^error: its certificate is not trusted: it is self-signed \(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
    )
    expect(examined.of('rp-certificate')[0]).toMatch(/^ok/)
    expect(examined.of('rp-answer')[0]).toMatch(/^unknown/)
    expect(examined.status).toBe(1)
  })

  test('what the egress guard refuses is not connected to', async () => {
    const before = connections
    const examined = await examine(https('localhost'))
    expect(examined.of('rp-egress')[0]).toMatch(/^error: .* loopback; add it to EGRESS_ALLOW/)
    for (const check of ['rp-connects', 'rp-tls', 'rp-certificate', 'rp-answer']) {
      expect(examined.of(check)).toEqual(['unknown: the egress guard refuses it'])
    }
    expect(connections).toBe(before)
    const remedies = examined.all.filter(({ check }) => check === 'rp-egress').map(({ remedy }) => remedy)
    expect(remedies[0]).toMatch(/add (127\.0\.0\.1|::1) or localhost to EGRESS_ALLOW/)
  })
})

describe('over http', () => {
  test('an RP that answers 200 to anything does not validate, and http is warned of', async () => {
    const examined = await examine(site.rps.uri('/anything'), allowed)
    expect(examined.of('rp-answer')[0]).toMatch(/^warning: 200 .* does not validate/)
    expect(examined.of('rp-egress').at(-1)).toMatch(/^warning: http, .*EGRESS_ALLOW_HTTP/)
    const { method, body, headers } = await site.rps.waitFor('/anything')
    expect([method, body, headers['content-type']]).toEqual([
      'POST',
      'logout_token=',
      'application/x-www-form-urlencoded',
    ])
  })

  test('a redirect is an error; so are settings in Redis that send its logouts elsewhere, as a warning', async () => {
    const uri = site.rps.uri('/login', (_request, response) => end(response, 302, { location: '/' }))
    const key = `${site.prefix}:client:{${ISSUER}|shop}`
    await site.redis.hset(key, { backchannelLogoutUri: 'https://shop.example/?key=geheim', alg: 'ES256' })
    const examined = await examine(uri, allowed, '--client', 'shop')
    expect(examined.of('rp-answer')[0]).toMatch(/^error: 302 .*redirects/)
    expect(examined.of('rp-settings')[0]).toMatch(/^warning: .* to https:\/\/shop\.example\/\?…, not to http/)
    expect(examined.output).not.toContain('geheim')
    expect(site.rps.at('/')).toEqual([])
  })

  test('a host that the operator does not allow the client is an error, in its settings or as the URI', async () => {
    const uri = site.rps.uri('/strict', (_request, response) => end(response, 400))
    const hosts = (allows: string) =>
      examine(uri, { ...allowed, CLIENT_HOSTS: `strict=${allows}` }, '--client', 'strict')
    await site.redis.hset(`${site.prefix}:client:{${ISSUER}|strict}`, {
      backchannelLogoutUri: 'https://evil.example/l',
    })
    const [elsewhere, kept] = await Promise.all([hosts('rp.example'), hosts('127.0.0.1')])
    expect(elsewhere.of('rp-settings')[0]).toMatch(/^error: CLIENT_HOSTS\b.* blocked/)
    expect(kept.of('rp-settings')[0]).toMatch(/^error: .*ignored: .*CLIENT_HOSTS\b.*evil\.example/)
  })

  test('without EGRESS_ALLOW_HTTP it is refused, and a port on which nothing listens is named', async () => {
    const { EGRESS_ALLOW } = allowed
    const [refused, closed] = await Promise.all([
      examine(site.rps.uri('/refused'), { EGRESS_ALLOW }),
      examine(`http://127.0.0.1:${await freePort()}/`, allowed),
    ])
    expect(refused.of('rp-egress').at(-1)).toMatch(/^error: .* set EGRESS_ALLOW_HTTP/)
    expect(site.rps.at('/refused')).toEqual([])
    expect(closed.of('rp-connects')[0]).toMatch(/^error: .* nothing listens there \(ECONNREFUSED\)/)
    expect(closed.of('rp-answer')).toEqual(['unknown: no address accepts connections'])
  })
})

test('a URI that no registration may have is an error, and so is a name that does not exist', async () => {
  const [wrong, unknown] = await Promise.all([
    examine('https://me:geheim@shop.example/logout#x', allowed),
    examine('https://shop.invalid/logout', allowed),
  ])
  expect(wrong.of('rp-uri')[0]).toMatch(/^error: the URI must not have a fragment/)
  expect(wrong.of('rp-answer')).toEqual(['unknown: the URI cannot be used'])
  expect(wrong.output).not.toContain('geheim')
  expect(unknown.of('rp-resolves')[0]).toMatch(/^error: shop\.invalid: /)
  expect(unknown.of('rp-answer')).toEqual(['unknown: the name has no address'])
})

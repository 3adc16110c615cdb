import { mkdir, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { verifyLogoutToken } from '../support/logout-token.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { privateJwk, replaceFile } from '../support/signing-key-file.ts'
import { openSite } from './open-site.ts'

const COUNT = 5_000
let site: RelaySite

beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site.close())

const issuerOf = (i: number) => `https://login.example.test/realms/r${i}`

test('five thousand issuers cost a file that is looked at: no watch, no open file, and no key that nobody needs', async () => {
  const file = join(site.folder, 'issuers.yaml')
  await mkdir(join(site.folder, 'keys'))
  const entry = (i: number) => ({
    issuer: issuerOf(i),
    aliases: [`realm:r${i}`],
    keys: { file: `keys/${i}.json` },
  })
  const issuers = Array.from({ length: COUNT }, (_, i) => entry(i))
  await replaceFile(file, JSON.stringify({ issuers }))
  // The only key file of them all.
  const used = 4_321
  const key = privateJwk('rsa', '1')
  await replaceFile(join(site.folder, 'keys', `${used}.json`), JSON.stringify(key))
  const relay = await site.startRelay({
    ISSUER: '',
    SIGNING_KEYS_FILE: '',
    ISSUERS_FILE: file,
    CHECK_INTERVAL_MS: '200',
  })

  const registration = site.registration('/used', { issuer: `realm:r${used}` })
  await site.topic.publish(
    inputRecord('backchannel-logout-registered', registration),
    inputRecord('session-terminated', { issuer: issuerOf(used), sessionId: registration.sessionId }),
  )
  const { token } = await site.rps.waitFor('/used')
  const jwks = await (
    await fetch(`${relay.url}/jwks.json?issuer=${encodeURIComponent(issuerOf(used))}`)
  ).json()
  await verifyLogoutToken(token, {
    issuer: issuerOf(used),
    clientId: registration.clientId,
    jwks: jwks as never,
  })

  // No other key file was looked for: it would not have been found.
  await eventually(async () =>
    expect(await readMetric(relay, 'check_findings', { check: 'keys-file' })).toBe(0),
  )
  const files = await readdir(`/proc/${relay.pid}/fd`)
  const open = await Promise.all(files.map((fd) => readlink(`/proc/${relay.pid}/fd/${fd}`).catch(() => '')))
  expect(open.filter((it) => it.startsWith(site.folder) || it.includes('inotify'))).toEqual([])

  // Of a change what is new is looked at, however much else there is.
  await replaceFile(file, JSON.stringify({ issuers: [...issuers, entry(COUNT)] }))
  await relay.waitForLog((line) => JSON.stringify(line).includes(`${issuerOf(COUNT)}: the signing key file`))
  await replaceFile(join(site.folder, 'keys', `${COUNT}.json`), JSON.stringify(privateJwk('ec', '1')))
  await relay.waitForLog(({ msg, count }) => msg === 'issuers reloaded' && count === COUNT + 1)
})

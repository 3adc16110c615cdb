import { createHmac, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type IntakeSource, readIntakeFile } from '../../../src/config/intake-file.ts'
import { eventsIn } from '../../../src/webhooks/events-in-body.ts'
import { verifyBody, verifyHead } from '../../../src/webhooks/verify.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { webhookPlatforms } from '../../support/webhook-platforms.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'
import { checkPlaced } from '../placed-problems.ts'

const folder = createScratchDirectory('fuzz-intake').path
const file = join(folder, 'intake.yaml')
/** Known to nobody, so nothing may be believed. */
const secret = randomBytes(32).toString('hex')
const nowMs = 1_800_000_000_000
const body = Buffer.from('{"a":1}')

writeFileSync(join(folder, 'secret'), secret)
writeFileSync(join(folder, 'keys'), webhookPlatforms.fusionauth?.credentials.text ?? '')

function read(text: string) {
  writeFileSync(file, text)
  return readIntakeFile(file, { names: ['t'], patterns: [], excluded: [] }).sources
}

const intake = (platform: string, credentials: string) =>
  `sources:\n  - name: a\n    topic: t\n    platform: ${platform}\n    ${credentials}\n`

function signatureTarget(name: string, platform: string, header: string, ...samples: string[]): FuzzTarget {
  const credentials =
    webhookPlatforms[platform]?.credentials.key === 'keysFile' ? 'keysFile: keys' : 'secretFile: secret'
  const [source] = read(intake(platform, credentials)) as [IntakeSource]
  return {
    name: `webhook-${name}`,
    samples: texts(...samples),
    parse: async (input) => {
      const headers = { [header]: [input.toString('latin1')] }
      const disbelief = verifyHead(source, headers) ?? (await verifyBody(source, headers, body, nowMs))
      if (disbelief === undefined) throw new Error('a signature of nobody is believed')
      return disbelief
    },
    bytesMax: 8_192,
  }
}

const stranger = createHmac('sha256', 'another secret').update(body).digest('hex')

export const webhookTargets: readonly FuzzTarget[] = [
  {
    name: 'webhook-body',
    samples: texts('{"a":1}', '[{"a":"[\\"},{"},{}]', '{"a":1}\n{"b":2}\r\n', ' [ ] '),
    parse: (input) => {
      const found = eventsIn(input)
      if (found.kind !== 'events') return found.kind
      for (const event of found.events) {
        const value: unknown = JSON.parse(event.toString('utf8'))
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object')
      }
      return found.events.length
    },
  },
  {
    name: 'webhook-sources',
    samples: texts(
      intake('okta', 'secretFile: secret'),
      intake('fusionauth', 'keysFile: keys'),
      'sources: [{ name: b, topic: t, verify: { kind: hmac, header: X-S, prefix: sha256= }, secretFile: secret, keepHeaders: [X-T] }]',
    ),
    parse: (input) => {
      try {
        return read(input.toString('latin1')).length
      } catch (error) {
        if (String(error).includes(secret)) throw new Error('a secret is quoted')
        checkPlaced(error, file)
      }
    },
    faults: ['LR_INTAKE_INVALID'],
    bytesMax: 8_192,
  },
  signatureTarget('hmac', 'keycloak', 'x-keycloak-signature', stranger, stranger.toUpperCase()),
  signatureTarget('timestamp', 'zitadel', 'zitadel-signature', `t=1800000000,v1=${stranger},v1=${stranger}`),
  signatureTarget(
    'jwt',
    'fusionauth',
    'x-fusionauth-signature-jwt',
    'eyJhbGciOiJSUzI1NiJ9.e30.AAAA',
    'a.b.c',
  ),
]

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readIntakeFile } from '../../../src/config/intake-file.ts'
import { intakePlatforms } from '../../../src/config/intake-platforms.ts'

const folder = mkdtempSync(join(tmpdir(), 'intake-'))
afterAll(() => rmSync(folder, { recursive: true }))

const file = join(folder, 'intake.yaml')
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const small = generateKeyPairSync('rsa', { modulusLength: 1_024 })
for (const [name, text] of Object.entries({
  secret: 'geheimnis-1\n',
  // As some editors write it.
  secrets: '\ufeffgeheimnis-1\r\ngeheimnis-2\r',
  blanks: 'geheimnis-1 \n',
  empty: '\n',
  short: 'geheim\n',
  'public.pem': ec.publicKey.export({ type: 'spki', format: 'pem' }),
  'private.pem': ec.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  'small.pem': small.publicKey.export({ type: 'spki', format: 'pem' }),
  'private.json': JSON.stringify({ keys: [ec.privateKey.export({ format: 'jwk' })] }),
  'none.json': '{"keys":[]}',
  'oct.json': `\ufeff${JSON.stringify({ keys: [{ kty: 'oct', k: Buffer.alloc(32, 'k').toString('base64url') }] })}`,
}))
  writeFileSync(join(folder, name), text)

function read(...sources: string[]) {
  writeFileSync(file, `sources:\n${sources.map((it) => `  - { ${it} }\n`).join('')}`)
  return readIntakeFile(file, { names: ['t'], patterns: [], excluded: [] })
}
const problem = (...sources: string[]) => {
  try {
    read(...sources)
    return 'none'
  } catch (error) {
    return (error as Error).message
  }
}

test('a source is four short lines, and every platform has its own', () => {
  for (const [platform, { secret, keys }] of Object.entries<{ secret?: object; keys?: object }>(
    intakePlatforms,
  )) {
    if (secret !== undefined)
      expect(read(`name: a, topic: t, platform: ${platform}, secretFile: secrets`).sources).toMatchObject([
        {
          name: 'a',
          topic: 't',
          verification: secret,
          secrets: ['geheimnis-1', 'geheimnis-2'].map((it) => Buffer.from(it)),
        },
      ])
    if (keys !== undefined)
      expect(read(`name: a, topic: t, platform: ${platform}, keysFile: public.pem`).sources).toMatchObject([
        { verification: keys, keys: [{ algorithms: ['ES256'] }] },
      ])
  }
})

test('a secret that is replaced is a change of the file', () => {
  const line = 'name: a, topic: t, platform: okta, secretFile: secret'
  const before = read(line).contentHash
  expect(read(line).contentHash).toBe(before)
  writeFileSync(join(folder, 'secret'), 'geheimnis-3\n')
  expect(read(line).contentHash).not.toBe(before)
  writeFileSync(join(folder, 'secret'), 'geheimnis-1\n')
})

test.each([
  ['a topic that nobody reads', 'name: a, topic: other, platform: okta, secretFile: secret', 'KAFKA_TOPICS'],
  [
    'a pattern in the place of a topic',
    'name: a, topic: "t*", platform: okta, secretFile: secret',
    'one topic',
  ],
  ['an unknown platform', 'name: a, topic: t, platform: oktta, secretFile: secret', 'must be auth0'],
  ['neither platform nor verify', 'name: a, topic: t, secretFile: secret', 'platform'],
  [
    'both of them',
    'name: a, topic: t, platform: okta, verify: { kind: bearer }, secretFile: secret',
    'not both',
  ],
  ['no credentials', 'name: a, topic: t, platform: okta', 'secretFile'],
  [
    'credentials twice',
    'name: a, topic: t, platform: okta, secretFile: secret, keysFile: public.pem',
    'not both',
  ],
  [
    'keys of a platform that has none',
    'name: a, topic: t, platform: okta, keysFile: public.pem',
    'name a secretFile',
  ],
  ['a secret for JWTs', 'name: a, topic: t, verify: { kind: jwt }, secretFile: secret', 'needs a keysFile'],
  ['an audience of no JWT', 'name: a, topic: t, platform: okta, secretFile: secret, audience: x', 'audience'],
  ['an unknown kind', 'name: a, topic: t, verify: { kind: magic }, secretFile: secret', 'kind'],
  ['a misspelt key', 'name: a, topic: t, platform: okta, secretfile: secret', 'secretfile: is no key here'],
  ['a name that is no path', 'name: A/b, topic: t, platform: okta, secretFile: secret', 'name'],
  [
    'a header that names the type',
    'name: a, topic: t, platform: okta, secretFile: secret, keepHeaders: [ce-type]',
    'keepHeaders',
  ],
  ...['type', 'event_type', '__value_schema_id', 'webhook-source', 'set-cookie', 'x-tok'].map(
    (name): [string, string, string] => [
      `a header that must not be kept: ${name}`,
      `name: a, topic: t, verify: { kind: bearer, header: X-Tok }, secretFile: secret, keepHeaders: [${name}]`,
      'keepHeaders',
    ],
  ),
  [
    'a file that is not there',
    'name: a, topic: t, platform: okta, secretFile: nowhere',
    'cannot be read (ENOENT)',
  ],
  ['an empty secret', 'name: a, topic: t, platform: okta, secretFile: empty', 'is empty'],
  ['blanks around a secret', 'name: a, topic: t, platform: okta, secretFile: blanks', 'blanks'],
  ['a short secret', 'name: a, topic: t, platform: okta, secretFile: short', 'less than 8'],
  ['a key as a secret', 'name: a, topic: t, platform: okta, secretFile: public.pem', 'keysFile'],
  ['a private key', 'name: a, topic: t, platform: fusionauth, keysFile: private.pem', 'public half'],
  ['a private JWK', 'name: a, topic: t, platform: fusionauth, keysFile: private.json', 'public half'],
  [
    'a key that is too small',
    'name: a, topic: t, platform: fusionauth, keysFile: small.pem',
    'at least 2048 bits',
  ],
  ['no key at all', 'name: a, topic: t, platform: fusionauth, keysFile: none.json', 'has no key'],
  ['a secret as a key', 'name: a, topic: t, platform: fusionauth, keysFile: secret', 'has no key'],
])('%s is refused, with its line and a remedy, and without its content', (_, source, says) => {
  const message = problem('name: other, topic: t, platform: okta, secretFile: secret', source)
  expect(message).toContain(`${file}:3: sources[1]`)
  expect(message).toContain(says)
  expect(message).not.toMatch(/geheim|BEGIN/)
})

test('a mistake of YAML is told with its line', () => {
  writeFileSync(file, 'sources:\n  - name: a\n    topic: [t\n    platform: okta\n')
  expect(() => readIntakeFile(file, { names: ['t'], patterns: [], excluded: [] })).toThrow(
    /^[^\n]*intake\.yaml:4: /,
  )
})

test('a topic that a pattern of KAFKA_TOPICS brings is read', () => {
  writeFileSync(file, 'sources: [{ name: a, topic: kc.a, platform: okta, secretFile: secret }]')
  expect(readIntakeFile(file, { names: [], patterns: ['kc.*'], excluded: [] }).sources).toHaveLength(1)
})

test('a name stands for one source alone', () => {
  const line = 'name: a, topic: t, platform: okta, secretFile: secret'
  expect(problem(line, line)).toContain('choose another')
})

test('a shared key of FusionAuth is a JWK, for its own algorithms alone', () => {
  expect(read('name: a, topic: t, platform: fusionauth, keysFile: oct.json').sources[0]?.keys).toMatchObject([
    { algorithms: ['HS256', 'HS384', 'HS512'] },
  ])
})

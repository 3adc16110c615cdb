import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { parseDocument, type Scalar, stringify, type YAMLMap, type YAMLSeq } from 'yaml'
import { issuersContentHash, readIssuersFile } from '../../../src/config/issuers-file.ts'
import { codeOf, messageOf } from '../../../src/lib/errors.ts'

const scratch = mkdtempSync(join(tmpdir(), 'issuers-file-'))
afterAll(() => rmSync(scratch, { recursive: true }))
let count = 0

/** Writes files into a directory of their own. */
function directoryOf(files: Record<string, string | Uint8Array>): string {
  const directory = join(scratch, String(count++))
  mkdirSync(directory)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

const fileOf = (text: string | Uint8Array, name = 'issuers.yaml') => join(directoryOf({ [name]: text }), name)

interface Said {
  /** The file by its name alone. */
  readonly file: string
  readonly line: number | undefined
  readonly path: string | undefined
  readonly text: string
}

async function problemsAt(path: string): Promise<Said[]> {
  const error = await readIssuersFile(path).then(
    () => expect.fail('it was accepted'),
    (error) => error,
  )
  expect(codeOf(error), String(error)).toBe('LR_ISSUERS_INVALID')
  return messageOf(error)
    .split('\n')
    .map((said) => {
      const [, file = '', line, path, text = ''] =
        /^(.+?)(?::(\d+))?: (?:([\w.[\]<-]+): )?(.+)$/.exec(said) ?? []
      return {
        file: file.split('/').at(-1) as string,
        line: line === undefined ? line : Number(line),
        path,
        text,
      }
    })
}

const problemsIn = async (text: string) =>
  (await problemsAt(fileOf(text))).map(({ line, path }) => `${line} ${path}`)

/** An entry, with `more` of it; begins on line 2. */
const one = (more = '', issuer = 'https://op.example', file = 'keys.json') =>
  `issuers:\n  - issuer: ${issuer}\n    keys: { file: "${file}" }\n${more}`

const full = {
  issuers: [
    {
      issuer: 'https://login.example.com',
      aliases: ['realm:shop', '3fa1'],
      enabled: false,
      keys: { file: 'keys/shop.json' },
      tokenLifetime: '90s',
      alg: 'ES256',
      signedOutWithoutSession: 'ignore',
      egress: { allow: ['10.0.0.0/8', 'rp.internal'] },
      typ: 'JWT',
      claims: 'sid',
      retry: {
        deadline: '7d',
        baseDelay: '500ms',
        maxDelay: '5m',
        maxAttempts: 9,
        doubtfulDelays: ['31s', '2m'],
      },
      clients: [
        {
          clientId: 'shop',
          backchannelLogoutUri: 'https://shop.example.com/bcl',
          sessionRequired: true,
          alg: 'PS256',
          typ: 'JWT',
          claims: 'sub',
          hosts: ['Shop.example.com.', '*.example.org'],
        },
        { clientId: 'blog' },
      ],
    },
    { issuer: 'https://{tenant}.login.example.com', keys: { file: 'tenants/{tenant}.json' } },
  ],
}

const entriesOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    issuer: `https://t${i}.example`,
    keys: { file: `t/${i}.json` },
  }))

describe('an issuers file', () => {
  test.each([
    ['YAML', stringify(full)],
    ['YAML of the flow style', stringify(full, { collectionStyle: 'flow' })],
    ['YAML after a mark', `\uFEFF---\n# a comment\n${stringify(full)}`],
    ['YAML with the line ends of Windows', stringify(full).replaceAll('\n', '\r\n')],
    ['JSON', JSON.stringify(full)],
    ['JSON over many lines', JSON.stringify(full, null, 2)],
    ['JSON indented with tabs', JSON.stringify(full, null, '\t')],
  ])('says the same in %s', async (_, text) => {
    const folder = directoryOf({ 'issuers.yaml': text })
    expect((await readIssuersFile(join(folder, 'issuers.yaml'))).settings).toEqual([
      {
        issuer: 'https://login.example.com',
        aliases: ['realm:shop', '3fa1'],
        isEnabled: false,
        keysFile: join(folder, 'keys/shop.json'),
        keysFolder: folder,
        place: expect.stringMatching(/issuers\.yaml:\d+$/),
        typ: 'JWT',
        claims: 'sid',
        retry: {
          baseDelayMs: 500,
          maxDelayMs: 300_000,
          maxAttempts: 9,
          doubtfulDelaysMs: [31_000, 120_000],
        },
        tokenLifetimeMs: 90_000,
        alg: 'ES256',
        signedOutWithoutSession: 'ignore',
        egressAllow: ['10.0.0.0/8', 'rp.internal'],
        deadlineMs: 604_800_000,
        clients: [
          { ...full.issuers[0]?.clients?.[0], hosts: ['shop.example.com', '*.example.org'] },
          { clientId: 'blog' },
        ],
      },
      {
        issuer: 'https://{tenant}.login.example.com',
        aliases: [],
        isEnabled: true,
        keysFile: join(folder, 'tenants/{tenant}.json'),
        place: expect.stringMatching(/issuers\.yaml:\d+$/),
        keysFolder: folder,
        egressAllow: [],
        clients: [],
      },
    ])
  })

  test('says on which line the keys of each issuer stand, in every form and however long', async () => {
    const list = { issuers: [full.issuers[1], ...entriesOf(600), full.issuers[0]] }
    const texts = [
      stringify(list),
      `# two\n# lines\n${stringify(list)}`,
      stringify(list, { collectionStyle: 'flow', lineWidth: 60 }),
      JSON.stringify(list, null, 2),
      JSON.stringify(list),
      `\n${JSON.stringify(list, null, '\t')}`,
    ]
    for (const text of texts) {
      const { settings } = await readIssuersFile(fileOf(text))
      const document = parseDocument(text)
      const lineAt = (offset: number) => text.slice(0, offset).split('\n').length
      const places = settings.map(({ place = '' }) => Number(/\d+$/.exec(place)?.[0]))
      const { items } = document.get('issuers') as YAMLSeq<YAMLMap<Scalar<string>>>
      const keys = items.map((it) => it.items.find(({ key }) => key.value === 'keys')?.key.range?.[0])
      expect(places).toEqual(keys.map((offset) => lineAt(offset ?? 0)))
    }
  })

  test('may repeat by aliases what it said once', async () => {
    const text = `issuers:
  - { issuer: https://a.example, keys: { file: a }, egress: &inside { allow: [10.0.0.0/8] } }
  - { issuer: https://b.example, keys: { file: b }, egress: *inside }
`
    const { settings } = await readIssuersFile(fileOf(text))
    expect(settings.map(({ egressAllow }) => egressAllow)).toEqual([['10.0.0.0/8'], ['10.0.0.0/8']])
  })

  test('has another hash when its content changes, and else the same', async () => {
    const path = fileOf(one())
    const { contentHash } = await readIssuersFile(path)
    expect(await issuersContentHash(path)).toBe(contentHash)
    writeFileSync(path, one('    alg: ES256\n'))
    expect(await issuersContentHash(path)).not.toBe(contentHash)
    writeFileSync(path, one())
    expect((await readIssuersFile(path)).contentHash).toBe(contentHash)
  })

  test.each([
    ['s', '120s', 120_000],
    ['m', '2m', 120_000],
    ['ms', '10000ms', 10_000],
  ])('gives its durations in %s', async (_, text, ms) => {
    const { settings } = await readIssuersFile(fileOf(one(`    tokenLifetime: ${text}\n`)))
    expect(settings[0]?.tokenLifetimeMs).toBe(ms)
  })
})

describe('all that is wrong is said at once, with its line', () => {
  test('in one entry and in the next', async () => {
    const text = `issuers:
  - issuer: login.example.com
    keys: {}
    tokenLifetime: 5s
    clients:
      - clientId: 7
        backchannelLogoutUri: /bcl
  - keys: { file: ../a.json }
    alg: HS256
    issuer: https://a.example
  - issuer: https://a.example
    keys: { file: a.json }
    client: []
`
    expect(await problemsAt(fileOf(text))).toMatchObject([
      { line: 2, path: 'issuers[0].issuer' },
      { line: 3, path: 'issuers[0].keys.file', text: 'is missing' },
      { line: 4, path: 'issuers[0].tokenLifetime' },
      { line: 6, path: 'issuers[0].clients[0].clientId', text: expect.stringContaining('quotes') },
      { line: 7, path: 'issuers[0].clients[0].backchannelLogoutUri' },
      { line: 9, path: 'issuers[1].alg', text: expect.stringContaining('RS256') },
      { line: 13, path: 'issuers[2].client', text: expect.stringContaining('clients') },
      { line: 8, path: 'issuers[1].keys.file' },
      {
        line: 11,
        path: 'issuers[2].issuer',
        text: expect.stringContaining('issuers.yaml:10: issuers[1].issuer'),
      },
    ])
  })

  test('in all files of a directory', async () => {
    const directory = directoryOf({
      'b.yml': one('    alg: no\n'),
      'a.json': '{\n"issuers": 1}',
      'c.yaml': one('', undefined, 'others.json'),
    })
    expect(await problemsAt(directory)).toMatchObject([
      { file: 'a.json', line: 2, path: 'issuers' },
      { file: 'b.yml', line: 4, path: 'issuers[0].alg' },
      { file: 'c.yaml', line: 2, text: expect.stringContaining('b.yml:2: issuers[0].issuer') },
    ])
  })

  test('of thousands the first', async () => {
    const message = await readIssuersFile(fileOf(`issuers:\n${'  - 1\n'.repeat(5_000)}`)).catch(messageOf)
    expect(String(message).split('\n').length).toBeLessThan(300)
    expect(message).toMatch(/4800 further problems$/)
  })
})

describe('a document is refused', () => {
  test.each([
    ['that is empty', '', ['1 undefined']],
    ['that is null', '# nothing yet\n', ['1 undefined']],
    ['without issuers', '{}', ['1 issuers']],
    ['with an empty list', 'issuers: []', ['1 issuers']],
    ['whose list is empty', 'issuers:\n', ['1 issuers']],
    ['that is a list', '- issuer: https://a.example', ['1 undefined']],
    ['with a key twice', `${one()}    keys: { file: b }\n`, ['4 issuers[0].keys']],
    ['of JSON with a key twice', '{"issuers": [],\n"issuers": []}', ['2 issuers']],
    ['that goes on in a second one', `${one()}---\n${one()}`, ['4 undefined']],
    ['with a tag', one('    aliases: !include a.yaml\n'), ['4 undefined']],
    ['with a date', one('    aliases: [!!timestamp 2026-01-01]\n'), ['4 undefined']],
    ['with a key that is a list', one('    [a]: b\n'), ['4 undefined']],
    ['with a mistake of syntax', one('    aliases: [a\n'), undefined],
    ['with an alias of nothing', one('    aliases: *there\n'), ['4 issuers[0].aliases']],
    ['with an alias of itself', one('    aliases: &it [*it]\n'), ['4 issuers[0].aliases[0]']],
    ['with a known name of JavaScript', one('    __proto__: { alg: RS256 }\n'), ['4 issuers[0].__proto__']],
  ])('%s', async (_, text, expected) => {
    const said = await problemsIn(text)
    if (expected !== undefined) expect(said).toEqual(expected)
  })

  test('whose aliases explode', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => `  - &a${i + 1} [*a${i}, *a${i}]`)
    expect(await problemsIn(['issuers:', '  - &a0 [x]', ...lines].join('\n'))).toEqual([
      expect.stringMatching(/^\d+ issuers\[\d+\]/),
    ])
  })

  test.each(['[', '{a: ', '- ', '? '])('that is nested without end in %s', async (open) => {
    expect(await problemsIn(open.repeat(20_000))).not.toEqual([])
    expect(await problemsIn(open.repeat(100))).not.toEqual([])
  })

  test('that is not UTF-8, with nothing said of a line', async () => {
    const path = fileOf(Buffer.from(`\uFEFF${one()}`, 'utf16le'))
    expect(await problemsAt(path)).toMatchObject([
      { line: undefined, text: expect.stringContaining('UTF-8') },
    ])
  })

  test('that is longer than 64 MB', async () => {
    const path = fileOf(Buffer.alloc(64 * 1_024 * 1_024 + 1, '\n'))
    expect(await problemsAt(path)).toMatchObject([{ text: expect.stringContaining('64 MB') }])
  })

  test('that is not there', async () => {
    const path = join(scratch, 'nowhere.yaml')
    expect(await problemsAt(path)).toMatchObject([
      { file: 'nowhere.yaml', text: expect.stringContaining('ENOENT') },
    ])
    await expect(issuersContentHash(path)).rejects.toMatchObject({ code: 'LR_ISSUERS_INVALID' })
  })
})

describe('an unknown key is taken for the nearest', () => {
  test.each([
    ['issuer', 'client', 'clients'],
    ['issuer', 'token_lifetime', 'tokenLifetime'],
    ['issuer', 'alias', 'aliases'],
    ['client', 'client-id', 'clientId'],
    ['client', 'backChannelLogoutURI', 'backchannelLogoutUri'],
    ['client', 'type', 'typ'],
  ])('in an %s: %s is %s', async (of, key, meant) => {
    const more =
      of === 'issuer' ? `    ${key}: x\n` : `    clients:\n      - clientId: a\n        ${key}: x\n`
    const said = await problemsAt(fileOf(one(more)))
    expect(said.at(-1)?.text).toContain(meant)
  })
})

describe('a value is refused', () => {
  test.each([
    ['issuer', ['op.example', 'https://op.example?a', 'https://op.example/#', 'ftp://op.example', '""', '7']],
    ['aliases', ['realm', '[""]', '["a\\nb"]', '[0123]', '[a, a]', '[https://op.example]', 'null']],
    ['enabled', ['"true"', 'yes', '1']],
    ['tokenLifetime', ['120', '9s', '11m', '1.5m', '2 m', '-20s', '""', 'null']],
    ['alg', ['none', 'HS256', 'rs256']],
    ['signedOutWithoutSession', ['all', 'true']],
    ['egress', ['{ allow: [10/8] }', '{ allow: 10.0.0.0/8 }', '{ allow: ["*"] }', '{ deny: [] }', '[]']],
    ['retry', ['{ deadline: 99ms }', '{ deadline: 31d }', '{ deadline: 3600 }', '{ attempts: 3 }']],
    ['retry', ['{ maxAttempts: 0 }', '{ maxAttempts: "3" }', '{ baseDelay: 2h }', '{ maxDelay: 25h }']],
    ['retry', ['{ doubtfulDelays: [31] }', '{ doubtfulDelays: 31s }', '{ baseDelay: 5s, maxDelay: 1s }']],
    ['typ', ['at+jwt', 'jwt']],
    ['claims', ['none', '[sub]']],
    ['clients', ['{}', '[a]', '[{}]', '[{ clientId: "" }]', '[{ clientId: a }, { clientId: a }]']],
  ])('as %s', async (key, values) => {
    for (const value of values) {
      const text = key === 'issuer' ? one('', value) : one(`    ${key}: ${value}\n`)
      for (const said of await problemsIn(text)) expect(said, value).toMatch(`issuers[0].${key}`)
    }
  })

  test.each([
    ['backchannelLogoutUri', ['/bcl', 'https://a.example/#b', 'https://u:p@a.example/']],
    ['sessionRequired', ['"true"', '0']],
    ['typ', ['at+jwt', 'jwt']],
    ['claims', ['none', '[sub]']],
    ['hosts', ['[]', '["a.example:443"]', '["a=b.example"]', '["*"]', 'a.example', '["127.1"]']],
  ])('as %s of a client', async (key, values) => {
    for (const value of values) {
      const [said, ...more] = await problemsIn(one(`    clients: [{ clientId: a, ${key}: ${value} }]\n`))
      expect(said, value).toMatch(`4 issuers[0].clients[0].${key}`)
      expect(more).toEqual([])
    }
  })
})

test('keys are in a file or in a directory', async () => {
  const text = (keys: string) => `issuers:\n  - issuer: https://a.example\n    keys: ${keys}\n`
  expect(await problemsIn(text('{}'))).toEqual(['3 issuers[0].keys.file'])
  expect(await problemsIn(text('{ file: a, directory: b }'))).toEqual(['3 issuers[0].keys.directory'])
  expect(await problemsIn(text('{ directory: ../b }'))).toEqual(['3 issuers[0].keys.directory'])
  expect(await problemsIn(text('{ directory: . }'))).toEqual(['3 issuers[0].keys.directory'])
})

test('the example of the design is taken as it stands', async () => {
  const text = `issuers:
  - issuer: https://login.example.com
    aliases: [realm:shop, "3fa1…"]          # what the platform calls it in its records
    keys: { file: keys/shop.json }            # or { directory }
    tokenLifetime: 120s
    alg: RS256                                # default of its clients
    signedOutWithoutSession: ignore
    egress: { allow: [10.0.0.0/8] }
    retry: { deadline: 24h }
    clients:
      - { clientId: shop, backchannelLogoutUri: https://shop.example.com/bcl, sessionRequired: true }
  - issuer: https://{tenant}.login.example.com  # thousands of tenants without a line each
    keys: { file: "keys/{tenant}.json" }        # looked for when the tenant is first met, dropped when idle
`
  for (const keys of ['{ file: keys/shop.json }', '{ directory: keys/shop }']) {
    const { settings } = await readIssuersFile(fileOf(text.replace('{ file: keys/shop.json }', keys)))
    expect(settings).toMatchObject([
      { alg: 'RS256', deadlineMs: 86_400_000, tokenLifetimeMs: 120_000, egressAllow: ['10.0.0.0/8'] },
      { issuer: 'https://{tenant}.login.example.com' },
    ])
  }
})

test('the pages show issuers files that are taken', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/configure.md'), 'utf8')
  const examples = [...page.matchAll(/```yaml\n(issuers:[\s\S]*?)```/g)].map(([, text = '']) => text)
  expect(examples.length).toBeGreaterThanOrEqual(3)
  for (const text of examples)
    expect((await readIssuersFile(fileOf(text))).settings.length).toBeGreaterThan(0)
  // The last two stand side by side in one directory.
  const [all = '', banks = ''] = examples.slice(-2)
  expect(
    (await readIssuersFile(directoryOf({ 'all.yaml': all, 'banks.yaml': banks }))).settings,
  ).toHaveLength(2)
})

describe('keys are looked for in the folder of the issuers file alone', () => {
  test.each(['../keys.json', 'a/../keys.json', '..', '.', '/etc/keys.json', scratch, '/', 'a/../../b'])(
    '%s is refused',
    async (file) => {
      expect(await problemsIn(one('', undefined, file))).toEqual(['3 issuers[0].keys.file'])
    },
  )

  test.each(['keys.json', './keys.json', 'a/b.json', '...'])('%s is read', async (file) => {
    const folder = directoryOf({ 'issuers.yaml': one('', undefined, file) })
    const { settings } = await readIssuersFile(join(folder, 'issuers.yaml'))
    expect(settings[0]).toMatchObject({ keysFolder: folder, keysFile: join(folder, file) })
  })

  test('an absolute path may lead into it', async () => {
    const folder = directoryOf({})
    writeFileSync(join(folder, 'issuers.yaml'), one('', undefined, join(folder, 'a.json')))
    const { settings } = await readIssuersFile(join(folder, 'issuers.yaml'))
    expect(settings[0]?.keysFile).toBe(join(folder, 'a.json'))
  })
})

describe('keys of one issuer sign for no other', () => {
  type Entry = readonly [issuer: string, keys: string, aliases?: string]
  const entries = (...list: readonly Entry[]) =>
    `issuers:\n${list
      .map(
        ([issuer, keys, aliases]) =>
          `  - issuer: ${issuer}\n    keys: { ${keys.endsWith('/') ? 'directory' : 'file'}: "${keys}" }\n${aliases === undefined ? '' : `    aliases: [${aliases}]\n`}`,
      )
      .join('')}`
  const refused: readonly (readonly [string, readonly Entry[]])[] = [
    [
      'two with one file',
      [
        ['https://a.example', 'k/a.json'],
        ['https://b.example', 'k/a.json'],
      ],
    ],
    [
      'one file by another spelling',
      [
        ['https://a.example', 'k/a.json'],
        ['https://b.example', 'k//a.json'],
      ],
    ],
    [
      'two patterns with one path',
      [
        ['https://{tenant}.a.example', 'k/{tenant}.json'],
        ['https://{tenant}.b.example', 'k/{tenant}.json'],
      ],
    ],
    [
      'two patterns whose paths meet',
      [
        ['https://{tenant}.a.example', 'k/a-{tenant}.json'],
        ['https://{tenant}.b.example', 'k/{tenant}.json'],
      ],
    ],
    [
      'two patterns whose paths overlap',
      [
        ['https://{tenant}.a.example', 'k/a{tenant}.json'],
        ['https://{tenant}.b.example', 'k/{tenant}b.json'],
      ],
    ],
    [
      'a file in the directory of another',
      [
        ['https://a.example', 'k/a/'],
        ['https://b.example', 'k/a/b.json'],
      ],
    ],
    [
      'a tenant in the directory of another',
      [
        ['https://a.example', 'k/'],
        ['https://{tenant}.t.example', 'k/{tenant}/keys.json'],
      ],
    ],
    [
      'an alias that is a tenant',
      [
        ['https://a.example', 'k/a.json', '"https://x.t.example"'],
        ['https://{tenant}.t.example', 't/{tenant}.json'],
      ],
    ],
  ]
  test.each(refused)('%s is refused', async (_, list) => {
    expect(await problemsIn(entries(...list))).toHaveLength(1)
  })

  test('directories that only look alike are taken', async () => {
    const text = entries(
      ['https://a.example', 'k/a/'],
      ['https://b.example', 'k/ab/'],
      ['https://c.example', 'k/a.json'],
      ['https://{tenant}.t.example', 't/{tenant}/'],
      ['https://{tenant}.u.example', 't/{tenant}.json'],
    )
    const folder = directoryOf({ 'issuers.yaml': text })
    const { settings } = await readIssuersFile(join(folder, 'issuers.yaml'))
    expect(settings.map(({ isKeysDirectory = false }) => isKeysDirectory)).toEqual([
      ...[true, true, false, true, false],
    ])
    expect(settings[0]?.keysFile).toBe(join(folder, 'k/a'))
  })

  test('a folder of its own is all that a pattern needs', async () => {
    const text = entries(['https://a.example', 'k/a.json'], ['https://{tenant}.t.example', 't/{tenant}.json'])
    expect((await readIssuersFile(fileOf(text))).settings).toHaveLength(2)
  })
})

describe('a pattern', () => {
  test.each([
    'https://{tenant}.op.example',
    'https://op.example/{tenant}/v2',
    'https://a-{tenant}.op.example:8443',
  ])('%s is one', async (issuer) => {
    const { settings } = await readIssuersFile(fileOf(one('', issuer, 'k/{tenant}.json')))
    expect(settings).toMatchObject([{ issuer }])
  })

  test.each([
    'https://{tenant}.op.example/{tenant}',
    'https://{tenant}@op.example/',
    'https://op.example:{tenant}/',
    '"{tenant}://op.example"',
    'https://op.example/?{tenant}',
    'https://{tenant}.op.example/{realm}',
  ])('%s is none', async (issuer) => {
    expect(await problemsIn(one('', issuer, '{tenant}.json'))).toEqual(['2 issuers[0].issuer'])
  })

  test('other braces are not taken for a name of the issuer', async () => {
    expect(await problemsIn(one('', 'https://op.example/{realm}'))).toEqual(['2 issuers[0].issuer'])
  })

  test('has neither aliases nor one key file for all', async () => {
    const text = one('    aliases: [a]\n', 'https://{tenant}.op.example', 'keys.json')
    expect(await problemsIn(text)).toEqual(['3 issuers[0].keys.file', '4 issuers[0].aliases'])
  })

  test('alone has a key file for each tenant', async () => {
    expect(await problemsIn(one('', undefined, '{tenant}.json'))).toEqual(['3 issuers[0].keys.file'])
  })

  const both = (a: string, b: string) =>
    JSON.stringify(
      { issuers: [a, b].map((issuer, i) => ({ issuer, keys: { file: `${i}/{tenant}` } })) },
      null,
      1,
    )

  test.each([
    ['https://{tenant}.op.example', 'https://{tenant}.op.example'],
    ['https://a{tenant}.example', 'https://{tenant}b.example'],
    ['https://eu.{tenant}.example', 'https://{tenant}.op.example'],
    ['https://a.{tenant}.example', 'https://{tenant}.b.c.example'].reverse() as [string, string],
  ])('%s and %s', async (a, b) => {
    const can = !b.includes('a.{tenant}')
    const read = readIssuersFile(fileOf(both(a, b)))
    if (can)
      await expect(read).rejects.toThrow(
        /issuers\[1\]\.issuer: .*issuers\[0\]\.issuer|issuers\[0\]\.issuer: .*issuers\[1\]/,
      )
    else expect((await read).settings).toHaveLength(2)
  })

  test.each([
    ['https://{tenant}.example', 'https://a-{tenant}.example'],
    ['https://{tenant}.example', 'https://{tenant}.op.example'],
    ['https://op.example/{tenant}', 'https://op.example/{tenant}/v2'],
    ['https://{tenant}.example', 'https://a.example'],
  ])('%s may stand beside %s, which is more specific or something else', async (a, b) => {
    const text = both(a, b).replace(
      /("issuer": "https:\/\/a\.example",\s+"keys": \{\s+"file": )"\d\/\{tenant\}"/,
      '$1"a"',
    )
    expect((await readIssuersFile(fileOf(text))).settings).toHaveLength(2)
  })
})

describe('one name means one issuer', () => {
  const entries = (...given: readonly [issuer: string, ...aliases: string[]][]) =>
    `issuers:\n${given.map(([issuer, ...aliases], i) => `  - { issuer: "${issuer}", aliases: ${JSON.stringify(aliases)}, keys: { file: k${i} } }\n`).join('')}`

  test.each([
    ['two issuers', entries(['https://a.example'], ['https://a.example']), '3 issuers[1].issuer'],
    [
      'an alias of two',
      entries(['https://a.example', 'x'], ['https://b.example', 'x']),
      '3 issuers[1].aliases[0]',
    ],
    [
      'an alias that is a later issuer',
      entries(['https://a.example', 'https://b.example'], ['https://b.example']),
      '2 issuers[0].aliases[0]',
    ],
  ])('%s', async (_, text, expected) => {
    const [said, ...more] = await problemsAt(fileOf(text))
    expect(`${said?.line} ${said?.path}`).toBe(expected)
    expect(said?.text).toMatch(/issuers\.yaml:\d+: issuers\[\d\]/)
    expect(more).toEqual([])
  })

  test('the same client id may stand under two', async () => {
    const text = [
      full.issuers[0],
      { ...full.issuers[0], issuer: 'https://b.example', aliases: [], keys: { file: 'keys/b.json' } },
    ]
    expect((await readIssuersFile(fileOf(JSON.stringify({ issuers: text })))).settings).toHaveLength(2)
  })
})

describe('a directory', () => {
  const named = (name: string) => one('', `https://${name}.example`, `${name}.json`)

  test('is read in the order of names, without what is hidden or something else', async () => {
    const files = { 'b.yaml': named('b'), 'a.json': named('a'), 'c.yml': named('c') }
    const directory = directoryOf({ ...files, '.d.yaml': '1', 'README.md': '1', 'keys.pem': '1' })
    mkdirSync(join(directory, 'below.yaml'))
    const { settings } = await readIssuersFile(directory)
    expect(settings.map(({ issuer }) => issuer)).toEqual(['a', 'b', 'c'].map((it) => `https://${it}.example`))
    expect(settings[0]?.keysFolder).toBe(directory)
  })

  test('that Kubernetes mounts counts each file once', async () => {
    const directory = directoryOf({})
    mkdirSync(join(directory, '..2026_01_01'))
    writeFileSync(join(directory, '..2026_01_01', 'a.yaml'), named('a'))
    symlinkSync('..2026_01_01', join(directory, '..data'))
    symlinkSync('..data/a.yaml', join(directory, 'a.yaml'))
    symlinkSync('a.yaml', join(directory, 'again.yaml'))
    const { settings } = await readIssuersFile(directory)
    expect(settings).toMatchObject([{ issuer: 'https://a.example', keysFile: join(directory, 'a.json') }])
    expect((await readIssuersFile(join(directory, 'a.yaml'))).settings).toEqual(settings)
  })

  test('has another hash when a file is added', async () => {
    const directory = directoryOf({ 'a.yaml': named('a') })
    const before = await issuersContentHash(directory)
    writeFileSync(join(directory, 'b.yaml'), named('b'))
    expect(await issuersContentHash(directory)).not.toBe(before)
  })

  test('with nothing to read, or a link to nothing, is refused', async () => {
    const directory = directoryOf({ 'a.txt': named('a') })
    expect(await problemsAt(directory)).toHaveLength(1)
    symlinkSync('nowhere', join(directory, 'a.yaml'))
    expect(await problemsAt(directory)).toMatchObject([
      { file: 'a.yaml', text: expect.stringContaining('ENOENT') },
    ])
  })
})

test('a thousand issuers are read, and of one that is wrong the line is said', async () => {
  const issuer = (i: number) =>
    `  - issuer: https://t${i}.op.example\n    aliases: [realm:${i}]\n    keys: { file: keys/${i}.json }\n`
  const text = `issuers:\n${Array.from({ length: 1_000 }, (_, i) => issuer(i)).join('')}`
  expect((await readIssuersFile(fileOf(text))).settings).toHaveLength(1_000)
  expect(await problemsIn(text.replace('t900.op', 't9.op'))).toEqual(['2702 issuers[900].issuer'])
})

describe('whatever stands in it', () => {
  const key = fc.oneof(
    fc.constantFrom(...Object.keys(full), ...Object.keys(full.issuers[0] ?? {}), 'clientId', 'hosts', 'file'),
    fc.constantFrom('__proto__', 'constructor', '<<', 'x'.repeat(500)),
  )
  const long = fc
    .constantFrom('a', '10.', '/', 'https://a.example/', '{tenant}', '\\', ':80', '"')
    .map((it) => it.repeat(400))
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, 7, '', '120s', 'https://a.example', '10.0.0.0/8', 'RS256'),
      long,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  }))
  const document = fc.oneof(
    value.map((it) => JSON.stringify({ issuers: [it] })),
    fc
      .dictionary(key, value, { maxKeys: 8 })
      .map((it) => JSON.stringify({ issuers: [{ ...full.issuers[0], ...it }] })),
    value.map((it) => stringify(it)),
    long.map((it) => `issuers: [${it}`),
    long.map((it) => `issuers: !${it} &${it} *${it}`),
    fc.string({ unit: 'binary' }),
  )

  test('there are settings or a fault of this file, which quotes no value at length', async () => {
    const path = fileOf('')
    await fc.assert(
      fc.asyncProperty(document, async (text) => {
        writeFileSync(path, text)
        try {
          expect((await readIssuersFile(path)).settings.length).toBeGreaterThan(0)
        } catch (error) {
          expect(codeOf(error), String(error)).toBe('LR_ISSUERS_INVALID')
          const quoted = messageOf(error).replaceAll(path, '')
          for (const line of quoted.split('\n')) {
            const quotes = Array.from({ length: Math.max(line.length - 200, 0) }, (_, i) =>
              line.slice(i, i + 201),
            )
            expect(quotes.filter((it) => text.includes(it))).toEqual([])
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})

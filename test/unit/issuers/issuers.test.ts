import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type IssuerSettings, IssuersFault } from '../../../src/issuers/issuer-settings.ts'
import { Issuers } from '../../../src/issuers/issuers.ts'
import { codeOf, RelayFault } from '../../../src/lib/errors.ts'
import { manualClock } from '../manual-clock.ts'
import { ecKey, jwkOf, jwkSet } from './signing/key-material.ts'

const folder = mkdtempSync(join(tmpdir(), 'issuers-'))
const elsewhere = mkdtempSync(join(tmpdir(), 'others-'))
await mkdir(join(folder, 'keys'))
afterAll(() => {
  for (const it of [folder, elsewhere]) rmSync(it, { recursive: true })
})
const keyFile = (name: string) => join(folder, 'keys', `${name}.json`)
// All under one kid: a key is not known by its name.
for (const name of ['a', 'b', 'tenant-1', 'tenant-2', 'TENANT-1'])
  writeFileSync(
    keyFile(name),
    jwkSet(
      jwkOf(ecKey(), { kid: 'one' }),
      jwkOf(generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey, { kid: 'rsa' }),
    ),
  )
writeFileSync(join(elsewhere, 'stolen.json'), jwkSet(jwkOf(ecKey(), { kid: 'stolen' })))
writeFileSync(keyFile('es-only'), jwkSet(jwkOf(ecKey(), { kid: 'one' })))
symlinkSync(join(elsewhere, 'stolen.json'), keyFile('stolen'))

function settings(issuer: string, keys: string, more: Partial<IssuerSettings> = {}): IssuerSettings {
  return {
    issuer,
    aliases: [],
    isEnabled: true,
    keysFile: keyFile(keys),
    keysFolder: folder,
    egressAllow: [],
    clients: [],
    ...more,
  }
}

const A = 'https://a.example'
const B = 'https://b.example'
const PATTERN = 'https://{tenant}.login.example'
const listed = [
  settings(A, 'a', { aliases: ['realm:a', 'shop'] }),
  settings(B, 'b', { signedOutWithoutSession: 'ignore', deadlineMs: 5_000, isEnabled: false }),
]
const pattern = settings(PATTERN, '{tenant}')

function site(first: readonly IssuerSettings[]) {
  const clock = manualClock()
  const state = {
    next: first as readonly IssuerSettings[] | undefined,
    problem: '',
    fault: undefined as Error | undefined,
  }
  const issuers = new Issuers({
    clock,
    defaults: { signedOutWithoutSession: 'fan-out', deadlineMs: 60_000 },
    egress: { allowHttp: false, allow: [] },
    read: async () => {
      if (state.fault !== undefined) throw state.fault
      if (state.problem !== '') throw new RelayFault('LR_ISSUERS_INVALID', state.problem)
      const { next } = state
      state.next = undefined
      return next
    },
  })
  return { clock, issuers, state }
}

async function opened(first: readonly IssuerSettings[]) {
  const it = site(first)
  await it.issuers.load()
  return it
}

function signed(issuers: Issuers, id: string, alg: 'ES256' | 'RS256' = 'ES256'): Promise<string> {
  return new Promise((resolve, reject) => {
    const issuer = issuers.get(id)
    if (issuer === undefined) return reject(new Error(`${id} is unknown`))
    issuer.signer.sign({ alg, typ: 'logout+jwt' }, JSON.stringify({ iss: id }), (it) => {
      if (it instanceof Error) reject(it)
      else resolve(it.toString())
    })
  })
}

async function verifies(issuers: Issuers, id: string, token: string): Promise<boolean> {
  const keys = createLocalJWKSet({ keys: await issuers.jwks(id) } as unknown as JSONWebKeySet)
  return jwtVerify(token, keys).then(
    () => true,
    () => false,
  )
}

describe('issuers', () => {
  test('each has what its settings say, and the defaults of the options', async () => {
    const { issuers } = await opened(listed)
    expect(issuers.get(A)).toMatchObject({
      ...{ isEnabled: true, signedOutWithoutSession: 'fan-out', deadlineMs: 60_000, alg: 'RS256' },
    })
    expect(issuers.get(B)).toMatchObject({
      ...{ isEnabled: false, signedOutWithoutSession: 'ignore', deadlineMs: 5_000 },
    })
    expect([A, B, `${A}/`, 'https://A.example'].map((id) => issuers.serves(id))).toEqual([
      ...[true, false, false, false],
    ])
  })

  test('a record may call one by an alias, and names none only where there is one', async () => {
    const { issuers } = await opened(listed)
    expect(['realm:a', 'shop', A, 'realm:b', undefined].map((name) => issuers.resolve(name))).toEqual([
      ...[A, A, A, 'realm:b', undefined],
    ])
    expect((await opened(listed.slice(0, 1))).issuers.resolve(undefined)).toBe(A)
    expect((await opened([...listed.slice(0, 1), pattern])).issuers.resolve(undefined)).toBeUndefined()
  })

  test('two of them may use one kid: each has a key set of its own, and signs with it alone', async () => {
    const { issuers } = await opened([settings(A, 'a'), settings(B, 'b'), pattern])
    const ids = [
      A,
      B,
      'https://tenant-1.login.example',
      'https://tenant-2.login.example',
      'https://TENANT-1.login.example',
    ]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ids),
        fc.constantFrom(...ids),
        fc.constantFrom('ES256' as const, 'RS256' as const),
        async (signer, other, alg) => {
          const token = await signed(issuers, signer, alg)
          expect(await verifies(issuers, other, token)).toBe(signer === other)
        },
      ),
      { numRuns: 60 },
    )
    expect(await issuers.jwks('https://nobody.example')).toBeUndefined()
  })

  test('whatever a record calls its tenant, no key outside the folder of its pattern signs for it', async () => {
    const { issuers } = await opened([pattern])
    const names = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        '../a',
        '..%2fa',
        'stolen',
        'tenant-1/../stolen',
        'a\n',
        'ａ',
        'tenant-1\0',
      ),
      fc.string({ maxLength: 12 }),
    )
    await fc.assert(
      fc.asyncProperty(names, async (tenant) => {
        const id = PATTERN.replace('{tenant}', () => tenant)
        const token = await signed(issuers, id).catch(() => undefined)
        if (token === undefined) return
        expect(decodeProtectedHeader(token).kid).toBe('one')
        expect(tenant).toMatch(/^[A-Za-z0-9-]+$/)
      }),
    )
    await expect(signed(issuers, 'https://stolen.login.example')).rejects.toThrow(/outside the folder/)
  })

  test.each(['../a', 'a.b', '', 'a/', 'ａ', 'a_b', `a.login.example/x?https://b`])(
    '%j is no name of a tenant',
    async (tenant) => {
      const { issuers } = await opened([pattern])
      expect(issuers.serves(PATTERN.replace('{tenant}', () => tenant))).toBe(false)
    },
  )

  test('a pattern means the whole of an issuer', async () => {
    const { issuers } = await opened([pattern])
    const id = PATTERN.replace('{tenant}', 'tenant-1')
    expect(
      [id, `${id}/`, `${id}.evil`, `https://evil.example/${id}`, id.replace('.', 'x')].map((it) =>
        issuers.serves(it),
      ),
    ).toEqual([...[true, false, false, false, false]])
  })

  test('a tenant without a key file is known by it, and signs when the file is there', async () => {
    const { clock, issuers } = await opened([pattern])
    const id = 'https://late.login.example'
    expect(issuers.serves(id)).toBe(true)
    await expect(signed(issuers, id)).rejects.toMatchObject({ code: 'LR_KEYS_INVALID' })
    expect(issuers.keyFiles()).toMatchObject([{ issuer: id, problem: expect.stringContaining('ENOENT') }])
    writeFileSync(keyFile('late'), jwkSet(jwkOf(ecKey(), { kid: 'late' })))
    clock.nowMs += 60_000
    expect(decodeProtectedHeader(await signed(issuers, id)).kid).toBe('late')
    expect(issuers.keyFiles()).toMatchObject([{ issuer: id, problem: undefined }])
  })

  test('a thousand issuers need one timer, and no key file before it is used', async () => {
    // None of these files is there.
    const many = Array.from({ length: 1_000 }, (_, i) => settings(`https://${i}.example`, `none-${i}`))
    const timers = vi.spyOn(globalThis, 'setTimeout')
    onTestFinished(() => timers.mockRestore())
    const { issuers } = await opened([...many, settings(A, 'a')])
    const nothing = () => undefined
    issuers.watch(60_000, {
      onReloaded: nothing,
      onReloadFailed: nothing,
      onIssuersReloaded: nothing,
      onIssuersRefused: nothing,
    })
    expect(timers).toHaveBeenCalledTimes(1)
    expect(issuers.keyFiles()).toEqual([])
    await signed(issuers, A)
    expect(issuers.keyFiles().map(({ issuer }) => issuer)).toEqual([A])
    expect(timers).toHaveBeenCalledTimes(1)
    issuers.close()
  })

  test('the keys of a hundred thousand tenants cost what is in use', async () => {
    const { issuers } = await opened([pattern])
    for (let i = 0; i < 1_000; i++) issuers.get(`https://t${i}.login.example`)
    await signed(issuers, 'https://tenant-1.login.example')
    expect(issuers.keyFiles().map(({ issuer }) => issuer)).toEqual(['https://tenant-1.login.example'])
  })

  test('whoever asks for the keys of made-up tenants, or names them in records, fills nothing', async () => {
    const { issuers } = await opened([pattern])
    for (let i = 0; i < 100; i++)
      await issuers.jwks(`https://asked-${i}.login.example`).catch(() => undefined)
    expect([...issuers.known()]).toEqual([])
    expect(await issuers.jwks('https://tenant-1.login.example')).toHaveLength(2)
    for (let i = 0; i < 100; i++)
      await signed(issuers, `https://named-${i}.login.example`).catch(() => undefined)
    expect(issuers.keyFiles().length).toBeLessThanOrEqual(20)
  })

  test('a tenant that gets a line of its own is known once', async () => {
    const { issuers, state } = await opened([pattern])
    const id = 'https://tenant-1.login.example'
    await signed(issuers, id)
    state.next = [pattern, settings(id, 'a')]
    await issuers.open()
    expect([...issuers.known()].map((it) => it.id)).toEqual([id])
  })

  test('a pattern whose keys have no folder is told at the start', async () => {
    const keysFile = join(folder, 'nowhere', '{tenant}.json')
    await expect(opened([settings(PATTERN, '', { keysFile })])).rejects.toMatchObject({
      code: 'LR_KEYS_INVALID',
    })
  })

  test('unusable keys of several are told together, and stop the start', async () => {
    const wrong = [
      settings(A, 'nowhere'),
      settings(B, 'a', { alg: 'PS256' }),
      settings('https://c.example', 'b'),
    ]
    const { issuers } = site([...wrong, settings('https://d.example', 'also-nowhere')])
    const fault = await issuers.load().then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    expect(codeOf(fault)).toBe('LR_KEYS_INVALID')
    expect(fault?.message.split('\n').map((line) => line.split(': ')[0])).toEqual([A, 'https://d.example'])
  })

  test('an unusable key file is told with the place of its entry, which may move', async () => {
    const place = 'issuers.yaml:7'
    const wrong = settings(A, 'nowhere', { place })
    await expect(opened([wrong])).rejects.toThrow(`${place}: ${A}: `)
    const { issuers, state } = await opened([{ ...pattern, place }])
    const id = 'https://nowhere.login.example'
    await signed(issuers, id).catch(() => undefined)
    const told = () => issuers.keyFiles().map(({ problem }) => problem?.split(': ')[0])
    expect(told()).toEqual([place])
    const before = issuers.get(id)
    state.next = [{ ...pattern, place: 'issuers.yaml:8' }]
    await issuers.open()
    expect(told()).toEqual(['issuers.yaml:8'])
    expect(issuers.get(id)).toBe(before)
  })

  test('its type of tokens is that of clients that name none', async () => {
    const clients = [{ clientId: 'new', typ: 'logout+jwt' as const }, { clientId: 'silent' }]
    const { issuers } = await opened([settings(A, 'a', { typ: 'JWT', clients }), settings(B, 'b')])
    const typed = (id: string) =>
      ['new', 'silent', 'unlisted'].map((it) => issuers.get(id)?.client(it).isJwtTyped)
    expect([typed(A), typed(B)]).toEqual([
      [false, true, true],
      [false, false, false],
    ])
  })

  test('a pattern of which no tenant has keys is told at the start, however many issuers there are', async () => {
    await mkdir(join(folder, 'empty'), { recursive: true })
    const keysFile = join(folder, 'empty', '{tenant}.json')
    const many = Array.from({ length: 200 }, (_, i) => settings(`https://${i}.example`, String(i)))
    const place = 'issuers.yaml:9'
    await expect(opened([...many, settings(PATTERN, '', { keysFile, place })])).rejects.toThrow(
      new RegExp(`^${place}: ${PATTERN}: .*empty`),
    )
    await opened([...many, settings(PATTERN, '', { keysFile, isEnabled: false })])
  })

  test('with many issuers a link that leads out of the folder is told at the start', async () => {
    const many = Array.from({ length: 200 }, (_, i) => settings(`https://${i}.example`, String(i)))
    await expect(opened([...many, settings(A, 'stolen')])).rejects.toThrow(/^https:\/\/a\.example: .*outside/)
  })

  test('what is wrong with a file and with the keys of its other issuers is told at once', async () => {
    const { issuers, state } = site([])
    const sound = [
      settings(A, 'nowhere', { place: 'f:2' }),
      settings(B, 'b', { alg: 'EdDSA', place: 'f:4' }),
      pattern,
    ]
    state.fault = new IssuersFault(['f:9: unknown key'], sound)
    const fault = await issuers.load().then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    expect(codeOf(fault)).toBe('LR_ISSUERS_INVALID')
    expect(fault?.message.split('\n').map((line) => line.slice(0, 3))).toEqual(['f:9', 'f:2', 'f:4'])
  })

  test('a disabled one needs no keys', async () => {
    const { issuers } = await opened([settings(A, 'a'), settings(B, 'nowhere', { isEnabled: false })])
    expect(issuers.serves(B)).toBe(false)
  })
})

describe('no record, file or pattern signs with the keys of another issuer', () => {
  const top = mkdtempSync(join(elsewhere, 'tenants-'))
  const files = ['k/a', 'k/b', 'k/c', 't/a', 't/b', 't/A', 't/x-1', 'u/a', 'u/b']
  for (const name of ['k', 't', 'u']) mkdirSync(join(top, name), { recursive: true })
  for (const file of files) writeFileSync(join(top, file), jwkSet(jwkOf(ecKey(), { kid: file })))
  const at = (issuer: string, file: string, more: Partial<IssuerSettings> = {}) =>
    settings(issuer, '', { keysFile: join(top, file), keysFolder: top, ...more })

  interface Version {
    /** The key file of each listed issuer, and where the tenants have theirs. */
    readonly listed: Readonly<Record<string, string>>
    readonly aliases: Readonly<Record<string, readonly string[]>>
    readonly folder: string | undefined
  }
  const versions = fc
    .record({
      order: fc.shuffledSubarray(['k/a', 'k/b', 'k/c'], { minLength: 3 }),
      count: fc.nat({ max: 3 }),
      aliases: fc.shuffledSubarray(['a', 'realm:a', 'constructor', '__proto__', 'https://x', 'A']),
      folder: fc.constantFrom('t', 'u', undefined),
    })
    .map(({ order, count, aliases, folder }): Version => {
      const ids = [A, B, 'https://a.login.example'].slice(0, count)
      return {
        listed: Object.fromEntries(ids.map((id, i) => [id, order[i] as string])),
        aliases: Object.fromEntries(ids.map((id, i) => [id, aliases.filter((_, k) => k % count === i)])),
        folder,
      }
    })
  const settingsOf = ({ listed, aliases, folder }: Version) => [
    ...Object.entries(listed).map(([id, file]) => at(id, file, { aliases: aliases[id] ?? [] })),
    ...(folder === undefined ? [] : [at(PATTERN, `${folder}/{tenant}`)]),
  ]
  /** Where the keys of an issuer are, by the pages. */
  const fileOf = ({ listed, folder }: Version, id: string) => {
    const [, tenant] = /^https:\/\/([A-Za-z0-9-]+)\.login\.example$/.exec(id) ?? []
    return Object.hasOwn(listed, id) ? listed[id] : tenant && folder && `${folder}/${tenant}`
  }
  const tenants = fc.oneof(
    fc.constantFrom(
      'a',
      'b',
      'A',
      'x-1',
      'X-1',
      '..',
      '.',
      '../k/a',
      '..%2fk%2fa',
      '%61',
      'a\0',
      'a\n',
      'ａ',
      'a\u0301',
    ),
    fc.constantFrom(
      '{tenant}',
      '$&',
      '\u212a',
      'k/a',
      'a.login.example/b',
      'a@b',
      '',
      'a '.trimEnd().repeat(300),
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
  )
  const names = fc.oneof(
    fc.constantFrom(
      A,
      B,
      `${A}/`,
      A.toUpperCase(),
      'a',
      'realm:a',
      'constructor',
      '__proto__',
      'https://x',
      'A',
      '',
    ),
    tenants.map((tenant) => PATTERN.replace('{tenant}', () => tenant)),
    tenants,
  )

  test('whatever records call it, and in the middle of any change', async () => {
    await fc.assert(
      fc.asyncProperty(
        versions,
        fc.array(fc.record({ next: fc.option(versions), named: fc.array(names, { maxLength: 6 }) }), {
          maxLength: 6,
        }),
        async (first, steps) => {
          const { clock, issuers, state } = site(settingsOf(first))
          await issuers.open()
          let now = first
          for (const { next, named } of steps) {
            const ids = named.flatMap((name) => issuers.resolve(name) ?? [])
            const signing = ids.map((id) => signed(issuers, id).catch(() => undefined))
            const before = now
            if (next !== null) {
              state.next = settingsOf(next)
              now = next
              await issuers.open()
            }
            clock.nowMs += 3_000
            const after = ids.map((id) => signed(issuers, id).catch(() => undefined))
            for (const [tokens, allowed] of [
              [signing, [before, now]],
              [after, [now]],
            ] as const)
              for (const [i, token] of (await Promise.all(tokens)).entries()) {
                if (token === undefined) continue
                const id = ids[i] as string
                expect(decodeJwt(token).iss).toBe(id)
                expect(allowed.map((it) => fileOf(it, id))).toContain(decodeProtectedHeader(token).kid)
              }
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  test('tenants of two patterns whose paths overlap have no file in common', async () => {
    writeFileSync(join(top, 'k', 'xy'), jwkSet(jwkOf(ecKey(), { kid: 'of both' })))
    const { issuers } = site([
      at('https://{tenant}.x.example', 'k/x{tenant}'),
      at('https://{tenant}.y.example', 'k/{tenant}y'),
    ])
    await issuers.open()
    for (const id of ['https://y.x.example', 'https://x.y.example'])
      await expect(signed(issuers, id)).rejects.toMatchObject({ code: 'LR_KEYS_INVALID' })
  })

  test('a tenant with the name of what a listed issuer has gets no keys, also when they come later', async () => {
    const { clock, issuers } = site([at(A, 'k/late'), at(PATTERN, 'k/{tenant}')])
    await issuers.open()
    const id = 'https://late.login.example'
    await expect(signed(issuers, id)).rejects.toMatchObject({ code: 'LR_KEYS_INVALID' })
    writeFileSync(join(top, 'k', 'late'), jwkSet(jwkOf(ecKey(), { kid: 'late' })))
    clock.nowMs += 2_000
    await expect(signed(issuers, id)).rejects.toThrow(A)
    expect(decodeProtectedHeader(await signed(issuers, A)).kid).toBe('late')
  })

  test('where links of listed issuers lead is known of keys that came a moment ago', async () => {
    symlinkSync('k', join(top, 'linked'))
    const { issuers } = site([at(A, 'linked/new'), at(PATTERN, 't/{tenant}')])
    await issuers.open()
    // With this they have been looked up, and A has no keys yet.
    expect(decodeProtectedHeader(await signed(issuers, 'https://a.login.example')).kid).toBe('t/a')
    writeFileSync(join(top, 'k', 'new'), jwkSet(jwkOf(ecKey(), { kid: 'new' })))
    symlinkSync('../k/new', join(top, 't', 'new'))
    await expect(signed(issuers, 'https://new.login.example')).rejects.toThrow(A)
  })

  test('a tenant whose link led to what is now the file of a listed issuer does not sign with it any longer', async () => {
    symlinkSync('../k/c', join(top, 't', 'c'))
    const { issuers, state } = site([at(PATTERN, 't/{tenant}')])
    await issuers.open()
    const id = 'https://c.login.example'
    expect(decodeProtectedHeader(await signed(issuers, id)).kid).toBe('k/c')
    state.next = [at(PATTERN, 't/{tenant}'), at(A, 'k/c')]
    const nothing = () => undefined
    issuers.watch(1, {
      onReloaded: nothing,
      onReloadFailed: nothing,
      onIssuersReloaded: nothing,
      onIssuersRefused: nothing,
    })
    await vi.waitFor(() => expect(signed(issuers, id)).rejects.toThrow(A))
    issuers.close()
    expect(decodeProtectedHeader(await signed(issuers, A)).kid).toBe('k/c')
  })
})

describe('a link', () => {
  const keysAt = (path: string) => join(path, 'k')
  /** Any tree of key files and links to them, with issuers and patterns over it. */
  const trees = fc.record({
    files: fc.uniqueArray(fc.constantFrom('a/x', 'a/y', 'b/x', 'b/y', 'c/x'), { minLength: 1 }),
    links: fc.array(
      fc.record({
        from: fc.constantFrom('a/y', 'b/x', 'b/z', 'c', 'd', 'd/x', 'listed', 'b/x/other.json'),
        to: fc.constantFrom('a', 'b', 'a/x', 'a/y', 'b/x', 'c/x', 'a/x/key.json'),
      }),
      { maxLength: 4 },
    ),
  })

  test.each([
    { what: 'file', isKeysDirectory: false },
    { what: 'directory of keys', isKeysDirectory: true },
  ])('never lets two issuers sign with one $what', async ({ isKeysDirectory }) => {
    await fc.assert(
      fc.asyncProperty(trees, async ({ files, links }) => {
        const top = mkdtempSync(join(elsewhere, 'tree-'))
        for (const name of ['a', 'b', 'c']) mkdirSync(keysAt(join(top, name)), { recursive: true })
        const at = (path: string) =>
          path.includes('/') ? join(top, path.replace('/', '/k/')) : join(top, path)
        for (const file of files) {
          if (isKeysDirectory) mkdirSync(at(file))
          const keys = jwkSet(jwkOf(ecKey(), { kid: `of ${file}` }))
          writeFileSync(isKeysDirectory ? join(at(file), 'key.json') : at(file), keys, { flag: 'wx' })
        }
        for (const { from, to } of links) {
          try {
            symlinkSync(at(to), at(from))
          } catch {
            // Something is there already, or no folder is.
          }
        }
        const of = (issuer: string, keysFile: string) =>
          settings(issuer, '', {
            keysFile: at(keysFile),
            keysFolder: top,
            ...(isKeysDirectory && { isKeysDirectory }),
          })
        const patterns = ['a', 'b', 'c', 'd'].map((it) =>
          of(`https://{tenant}.${it}.example`, `${it}/{tenant}`),
        )
        const lines = [of('https://listed.example', 'listed'), of('https://x.example', 'c/x')]
        const { issuers } = site([...lines, ...patterns.slice(0, 2), patterns[3] as IssuerSettings])
        await issuers.open()
        const ids = [
          ...lines.map(({ issuer }) => issuer),
          ...['a', 'b', 'd'].flatMap((it) =>
            ['x', 'y', 'z'].map((tenant) => `https://${tenant}.${it}.example`),
          ),
        ]
        const signers = new Map<string, string>()
        for (const id of ids) {
          const token = await signed(issuers, id).catch(() => undefined)
          if (token === undefined) continue
          const { kid = '' } = decodeProtectedHeader(token)
          expect([signers.get(kid), id], JSON.stringify(readdirSync(top))).toEqual([undefined, id])
          signers.set(kid, id)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('of a mounted secret, or one that keeps the name of the tenant, is followed; one to another name is not', async () => {
    const top = mkdtempSync(join(elsewhere, 'mounted-'))
    for (const name of ['t/a/..2026', 't/b', 't/c', 'real/b']) mkdirSync(join(top, name), { recursive: true })
    for (const name of ['t/a/..2026/keys.json', 'real/b/keys.json'])
      writeFileSync(join(top, name), jwkSet(jwkOf(ecKey(), { kid: name })))
    symlinkSync('..2026', join(top, 't/a/..data'))
    symlinkSync('..data/keys.json', join(top, 't/a/keys.json'))
    symlinkSync('../../real/b/keys.json', join(top, 't/b/keys.json'))
    symlinkSync('../a/keys.json', join(top, 't/c/keys.json'))
    const own = { keysFolder: top, keysFile: join(top, 't', '{tenant}', 'keys.json') }
    const { issuers } = await opened([settings(PATTERN, '', own)])
    const of = (tenant: string) => signed(issuers, PATTERN.replace('{tenant}', tenant))
    expect(decodeProtectedHeader(await of('a')).kid).toBe('t/a/..2026/keys.json')
    expect(decodeProtectedHeader(await of('b')).kid).toBe('real/b/keys.json')
    await expect(of('c')).rejects.toMatchObject({ code: 'LR_KEYS_INVALID' })
  })

  test('from the folder of a pattern to that of a listed issuer does not lend its keys to a tenant', async () => {
    const top = mkdtempSync(join(elsewhere, 'linked-'))
    mkdirSync(join(top, 'keys'))
    writeFileSync(join(top, 'keys', 'shop.json'), jwkSet(jwkOf(ecKey(), { kid: 'shop' })))
    symlinkSync('keys', join(top, 'tenants'))
    const own = { keysFolder: top, keysFile: join(top, 'keys', 'shop.json') }
    const tenants = { keysFolder: top, keysFile: join(top, 'tenants', '{tenant}.json') }
    const { issuers } = await opened([settings(A, '', own), settings(PATTERN, '', tenants)])
    await expect(signed(issuers, 'https://shop.login.example')).rejects.toThrow(A)
    expect(decodeProtectedHeader(await signed(issuers, A)).kid).toBe('shop')
  })
})

describe('a configuration that changes', () => {
  const hundreds = Array.from({ length: 200 }, (_, i) => settings(`https://${i}.example`, String(i)))

  const events = () => {
    const seen: unknown[] = []
    const waiting: (() => void)[] = []
    const note = (what: unknown): void => {
      seen.push(what)
      for (const wake of waiting.splice(0)) wake()
    }
    return {
      seen,
      next: () => new Promise<void>((resolve) => waiting.push(resolve)),
      listener: {
        onIssuersReloaded: (count: number) => note(count),
        onIssuersRefused: (error: unknown, failures: number) => note([codeOf(error), failures]),
        onReloaded: () => undefined,
        onReloadFailed: () => undefined,
      },
    }
  }

  test('is taken up: new ones, other settings, and those that are gone; keys of the same file stay', async () => {
    const { issuers, state } = await opened([settings(A, 'a'), settings(B, 'b')])
    const { keys } = issuers.get(A) ?? {}
    const { listener, next } = events()
    issuers.watch(1, listener)
    state.next = [settings(A, 'a', { deadlineMs: 1 }), pattern]
    await next()
    issuers.close()
    expect(issuers.get(A)).toMatchObject({ deadlineMs: 1 })
    expect(issuers.get(A)?.keys).toBe(keys)
    // What is parked for it keeps its deadline.
    expect(issuers.get(B)).toMatchObject({ isEnabled: false, deadlineMs: 60_000 })
    expect([issuers.knows(B), await issuers.jwks(B)]).toEqual([false, undefined])
    expect(issuers.serves('https://tenant-1.login.example')).toBe(true)
  })

  test.each([
    { what: 'that is invalid', change: { problem: 'x' }, code: 'LR_ISSUERS_INVALID' },
    {
      what: 'that enables one without keys',
      first: [settings(A, 'a'), settings(B, 'nowhere', { isEnabled: false })],
      change: { next: [settings(A, 'a'), settings(B, 'nowhere')] },
      code: 'LR_KEYS_INVALID',
    },
    {
      what: 'that wants what the keys that are read cannot sign',
      change: {
        next: [
          settings(A, 'a', { alg: 'PS256' as const }),
          settings('https://c.example', 'es-only', { alg: 'RS256' as const }),
        ],
      },
      code: 'LR_KEYS_INVALID',
    },
    {
      what: 'of hundreds of which a new one has no keys',
      first: [settings(A, 'a'), ...hundreds],
      change: { next: [settings(A, 'a'), ...hundreds, settings(B, 'nowhere')] },
      code: 'LR_KEYS_INVALID',
    },
    {
      what: 'of which one has no keys',
      change: { next: [settings(A, 'a'), settings(B, 'nowhere')] },
      code: 'LR_KEYS_INVALID',
    },
  ])(
    'to one $what is refused for as long as it is there, and that before stays in force',
    async ({ first = [settings(A, 'a')], change, code }) => {
      const { issuers, state } = await opened(first)
      const { listener, next, seen } = events()
      issuers.watch(1, listener)
      Object.assign(state, change)
      for (let looks = 0; looks < 3; looks++) await next()
      issuers.close()
      expect(seen.slice(0, 3)).toEqual([1, 2, 3].map((failures) => [code, failures]))
      expect(issuers.problem).toBeDefined()
      expect([A, B].map((id) => issuers.serves(id))).toEqual([true, false])
      expect(decodeProtectedHeader(await signed(issuers, A)).kid).toBe('one')
    },
  )
})

import { describe, expect, test } from 'vitest'
import { KeyPublication } from '../../../src/issuers/key-publication.ts'
import { readKeyFile } from '../../../src/issuers/signing/key-file.ts'
import { privateJwk } from '../../support/signing-key-file.ts'

const ISSUER = 'https://login.example.com/'
const file = JSON.stringify({ keys: [privateJwk('ec', 'one'), privateJwk('rsa', 'two')] })
const [first, second] = (await readKeyFile(Buffer.from(file))).keys
if (first === undefined || second === undefined) throw new Error('two keys were written')

function publicationOf(documents: Record<string, unknown>) {
  const unknown: string[] = []
  const inUse = [
    { key: first as NonNullable<typeof first>, signs: 'now' as const },
    { key: second as NonNullable<typeof second>, signs: 'later' as const },
  ]
  const asked: string[] = []
  const publication = new KeyPublication({
    intervalMs: 1_000,
    issuers: () => [
      { id: ISSUER, keys: { inUse: () => inUse } },
      { id: 'https://no-keys.example', keys: { inUse: () => [] } },
    ],
    fetchJson: async (uri) => {
      asked.push(uri)
      const document = documents[uri]
      if (document === undefined) throw new Error('404')
      return document as Record<string, unknown>
    },
    onUnknown: (issuer, error) => unknown.push(`${issuer}: ${error}`),
  })
  return { publication, asked, unknown, documents }
}

const DISCOVERY = 'https://login.example.com/.well-known/openid-configuration'
const JWKS = 'https://login.example.com/jwks'

describe('key publication', () => {
  test('a key is published when the set holds it under its kid', async () => {
    const { publication, asked } = publicationOf({
      [DISCOVERY]: { jwks_uri: JWKS },
      [JWKS]: { keys: [null, { kid: 'one' }, first.publicJwk] },
    })
    expect(publication.known()).toEqual([])
    await publication.look()
    expect(asked).toEqual([DISCOVERY, JWKS])
    expect(publication.known()).toEqual([
      { issuer: ISSUER, kid: 'one', signs: 'now', isPublished: true },
      { issuer: ISSUER, kid: 'two', signs: 'later', isPublished: false },
    ])
  })

  test('another key under its kid is none, nor is the key under another kid', async () => {
    const { publication } = publicationOf({
      [DISCOVERY]: { jwks_uri: JWKS },
      [JWKS]: {
        keys: [
          { ...second.publicJwk, kid: 'one' },
          { ...first.publicJwk, kid: 'two' },
        ],
      },
    })
    await publication.look()
    expect(publication.known().map(({ isPublished }) => isPublished)).toEqual([false, false])
  })

  test.each([
    ['no discovery', {}],
    ['no jwks_uri', { [DISCOVERY]: {} }],
    ['no set', { [DISCOVERY]: { jwks_uri: JWKS } }],
    ['no keys in it', { [DISCOVERY]: { jwks_uri: JWKS }, [JWKS]: {} }],
  ])('%s: nothing is known, and nothing is claimed', async (_, documents) => {
    const { publication, unknown } = publicationOf(documents)
    await publication.look()
    expect(unknown).toEqual([expect.stringContaining(ISSUER)])
    expect(publication.known()).toEqual([])
  })

  test('what was known stands while the set cannot be read', async () => {
    const { publication, documents, unknown } = publicationOf({
      [DISCOVERY]: { jwks_uri: JWKS },
      [JWKS]: { keys: [first.publicJwk] },
    })
    await publication.look()
    delete documents[JWKS]
    await publication.look()
    expect(unknown).toEqual([`${ISSUER}: Error: 404`])
    expect(publication.known()[0]).toMatchObject({ kid: 'one', isPublished: true })
  })
})

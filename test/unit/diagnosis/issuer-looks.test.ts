import { beforeEach, describe, expect, test } from 'vitest'
import { issuerChecks } from '../../../src/diagnosis/issuer-checks.ts'
import { IssuerLooks, type LookedAtIssuer } from '../../../src/diagnosis/issuer-looks.ts'
import type { DocumentAnswer } from '../../../src/egress/fetch-document.ts'
import type { IssuerSight } from '../../../src/issuers/issuer.ts'
import { readKeyFile } from '../../../src/issuers/signing/key-file.ts'
import type { SigningKey } from '../../../src/issuers/signing/signing-key.ts'
import { privateJwk } from '../../support/signing-key-file.ts'
import { manualClock } from '../manual-clock.ts'

const file = JSON.stringify({ keys: [privateJwk('rsa', 'one'), privateJwk('ec', 'two')] })
const [rsa, ec] = (await readKeyFile(Buffer.from(file))).keys as [SigningKey, SigningKey]
const A = 'https://a.example'
const B = 'https://b.example'
const INTERVAL_MS = 300_000

const clock = manualClock()
let documents: Record<string, object>
let asked: string[]
let isOpen: boolean
let issuers: (LookedAtIssuer & { sight: IssuerSight | undefined })[]

function issuer(id: string, isEnabled = true, keys: readonly SigningKey[] = [rsa, ec]) {
  const looked = {
    id,
    isEnabled,
    alg: 'RS256' as const,
    settings: {},
    keys: {
      all: keys,
      inUse: () =>
        keys.map((key) => ({
          key,
          signs: key.notBeforeMs > clock.now() ? ('later' as const) : ('now' as const),
        })),
    },
    sight: undefined as IssuerSight | undefined,
    sees: (sight: IssuerSight) => {
      looked.sight = sight
    },
  }
  return looked
}

const published = (id: string, keys: readonly SigningKey[] = [rsa, ec], named: unknown = id) => ({
  [`${id}/.well-known/openid-configuration`]: { issuer: named, jwks_uri: `${id}/jwks` },
  [`${id}/jwks`]: { keys: keys.map(({ publicJwk }) => publicJwk) },
})

let intervalMs: number

function looksAt(...looked: typeof issuers): IssuerLooks {
  issuers = looked
  return new IssuerLooks({
    clock,
    intervalMs,
    issuers: {
      get isOpen() {
        return isOpen
      },
      known: () => issuers,
    },
    fetchDocument: async (uri): Promise<DocumentAnswer> => {
      asked.push(uri)
      const document = documents[uri]
      return document === undefined
        ? { kind: 'unreachable', code: 'ECONNREFUSED', message: '' }
        : { kind: 'answered', status: 200, text: JSON.stringify(document), sentAtMs: 0, answeredAtMs: 0 }
    },
  })
}

/** What a look comes to: severity, check and what it is about. */
async function found(looks: IssuerLooks): Promise<string[]> {
  const facts = await looks.look()
  return issuerChecks.flatMap(({ name, find }) =>
    find(facts).map(({ severity, about }) => [severity, name, about].filter(Boolean).join(' ')),
  )
}

beforeEach(() => {
  documents = {}
  asked = []
  isOpen = false
  intervalMs = INTERVAL_MS
})

describe('one issuer', () => {
  test('that names itself and shows its keys is well, and not asked again before its time', async () => {
    documents = published(A)
    const looks = looksAt(issuer(A))
    expect(await found(looks)).toEqual([])
    await looks.look()
    expect(asked).toEqual([`${A}/.well-known/openid-configuration`, `${A}/jwks`])
    clock.nowMs += INTERVAL_MS
    await looks.look()
    expect(asked).toHaveLength(4)
    expect(looks.publications().map(({ isPublished }) => isPublished)).toEqual([true, true])
    expect(issuers[0]?.sight).toEqual({ isMisnamed: false, absent: new Set() })
  })

  test('that names another is an error until it does not, looked at each time', async () => {
    documents = published(A, [rsa, ec], `${A}/`)
    const looks = looksAt(issuer(A))
    expect(await found(looks)).toEqual(['error issuer-known'])
    expect(issuers[0]?.sight?.isMisnamed).toBe(true)
    documents = {}
    // What was seen stands while nothing can be seen.
    expect(await found(looks)).toEqual(['error issuer-known', 'hint issuer-discovery'])
    documents = published(A)
    expect(await found(looks)).toEqual([])
    expect(issuers[0]?.sight?.isMisnamed).toBe(false)
  })

  test.each([[null], [7]])('that names %s is a warning: nobody knows that it is another', async (named) => {
    documents = published(A, [rsa, ec], named)
    expect(await found(looksAt(issuer(A)))).toEqual(['warning issuer-known'])
    expect(issuers[0]?.sight?.isMisnamed).toBe(false)
  })

  test.each([
    { what: 'no discovery', given: {}, says: ['hint issuer-discovery'] },
    {
      what: 'no key set',
      given: { [`${A}/.well-known/openid-configuration`]: { issuer: A } },
      says: ['warning issuer-jwks'],
    },
    {
      what: 'no keys in it',
      given: { ...published(A), [`${A}/jwks`]: {} },
      says: ['warning issuer-jwks'],
    },
  ])('with $what: nothing is claimed of it', async ({ given, says }) => {
    documents = given
    const looks = looksAt(issuer(A))
    expect(await found(looks)).toEqual(says)
    expect(looks.publications()).toEqual([])
    expect(issuers[0]?.sight).toEqual({ isMisnamed: false, absent: new Set() })
  })

  test('that does not show the key of most tokens is an error, one that does not show another is a warning', async () => {
    documents = published(A, [ec])
    const looks = looksAt(issuer(A))
    expect(await found(looks)).toEqual(['error key-published one'])
    expect(issuers[0]?.sight?.absent).toEqual(new Set([rsa]))
    documents = published(A, [rsa])
    expect(await found(looks)).toEqual(['warning key-published two'])
    expect(looks.publications()).toMatchObject([
      { kid: 'one', isPublished: true },
      { kid: 'two', isPublished: false },
    ])
  })

  test('with other keys, or other settings, is looked at at once', async () => {
    documents = published(A)
    const looks = looksAt(issuer(A, true, [rsa]))
    await looks.look()
    issuers = [issuer(A, true, [ec])]
    await looks.look()
    expect(asked).toHaveLength(4)
    expect(looks.publications().map(({ kid }) => kid)).toEqual(['two'])
  })
})

describe('a key that is to sign later', () => {
  const HOUR = 3_600_000
  const coming = (inMs: number): SigningKey => ({ ...rsa, kid: 'next', notBeforeMs: clock.now() + inMs })

  test('and is not published: told when it appears, and as an error before it signs', async () => {
    documents = published(A)
    const looks = looksAt(issuer(A))
    expect(await found(looks)).toEqual([])
    issuers = [issuer(A, true, [rsa, ec, coming(HOUR)])]
    expect(await found(looks)).toEqual(['warning key-published next'])
    clock.nowMs += HOUR - 9 * 60_000
    expect(await found(looks)).toEqual(['error key-published next'])
    clock.nowMs += 9 * 60_000
    expect(await found(looks)).toEqual(['error key-published next'])
  })

  test('and is published: looked at again before it signs, however seldom that is otherwise', async () => {
    intervalMs = 24 * HOUR
    const next = coming(HOUR)
    const set = [rsa, ec, { ...next, publicJwk: { ...rsa.publicJwk, kid: 'next' } }]
    documents = published(A, set)
    const looks = looksAt(issuer(A, true, [rsa, ec, next]))
    expect(await found(looks)).toEqual([])
    documents = published(A)
    expect(await found(looks)).toEqual([])
    clock.nowMs += HOUR - 9 * 60_000
    expect(await found(looks)).toEqual(['error key-published next'])
  })
})

test('of a file: the remedy says where the issuer stands in it', async () => {
  documents = published(A, [rsa, ec], B)
  const looks = looksAt({ ...issuer(A), settings: { place: 'issuers.yaml:3' } })
  const facts = await looks.look()
  const [finding] = issuerChecks.flatMap(({ find }) => find(facts))
  expect(finding?.remedy).toContain(`set the issuer of issuers.yaml:3 to ${B}`)
})

describe('several issuers', () => {
  test('what is wrong with one of them is a warning about that one', async () => {
    documents = { ...published(A, [rsa, ec], 'https://other.example'), ...published(B) }
    expect(await found(looksAt(issuer(A), issuer(B)))).toEqual([`warning issuer-known ${A}`])
    documents = { ...published(A, [rsa, ec], 'https://other.example'), ...published(B, [], B) }
    expect(await found(looksAt(issuer(A), issuer(B)))).toEqual([
      `warning issuer-known ${A}`,
      `warning key-published ${B} one`,
      `warning key-published ${B} two`,
    ])
    expect(issuers.map(({ sight }) => sight?.isMisnamed)).toEqual([true, false])
  })

  test('none of which is well are an error each, unless more may be met', async () => {
    documents = { ...published(A, [rsa, ec], B), ...published(B, [rsa, ec], A) }
    const ill = () => looksAt(issuer(A), issuer(B), issuer('https://off.example', false))
    expect(await found(ill())).toEqual([`error issuer-known ${A}`, `error issuer-known ${B}`])
    isOpen = true
    expect(await found(ill())).toEqual([`warning issuer-known ${A}`, `warning issuer-known ${B}`])
  })

  test('take turns when there are many', async () => {
    const many = Array.from({ length: 120 }, (_, i) => issuer(`https://${i}.example`))
    for (const { id } of many) documents = { ...documents, ...published(id) }
    const looks = looksAt(...many)
    for (const times of [50, 100, 120, 120]) {
      await looks.look()
      expect(asked).toHaveLength(2 * times)
    }
    expect(new Set(asked).size).toBe(asked.length)
  })
})

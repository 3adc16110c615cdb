import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import { type KnownType, knownTypes } from '../../../src/events/decoding/known-types.ts'
import { type Outcome, outcomeData, outcomeTypes } from '../../../src/events/outcome.ts'
import {
  jsonSchemaOf,
  recordSchemas,
  type SchemaName,
  schemaNames,
} from '../../../src/events/record-schemas.ts'
import { subjectClaims, tokenAlgorithms } from '../../../src/events/registration.ts'
import { contractFiles } from '../../support/contract.ts'
import { textOf } from '../../support/pages.ts'

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true })
const validators = new Map(schemaNames.map((name) => [name, ajv.compile(jsonSchemaOf(name))]))

/** What the schema has against the data; empty for nothing. */
function problemsOf(name: SchemaName, data: unknown): unknown[] {
  const validate = validators.get(name)
  return validate?.(data) === true ? [] : (validate?.errors ?? [name])
}

const decoders = new Decoders((name = 'https://login.test.example') => name)

/** Why the relay refuses the data; `undefined` if it takes them. */
function refusal(type: KnownType, data: unknown): string | undefined {
  const value = Buffer.from(JSON.stringify(data))
  const wire = { topic: 't', partition: 0, offset: 0, timestampMs: Date.now(), key: null }
  const result = [decoders.decode({ ...wire, value, headers: { ce_type: type } }, Date.now())].flat()[0]
  return result?.kind === 'poison' ? result.reason : undefined
}

test.each(Object.entries(contractFiles()))(
  '%s is made from the schemas; `npm run docs` makes it',
  (path, text) => {
    expect(textOf(path)).toBe(text)
  },
)

test('there is a schema of every record that is read or written', () => {
  const written = [...Object.values(outcomeTypes), 'dead-letter']
  expect(schemaNames).toEqual([...knownTypes, ...written])
})

describe('what is valid', () => {
  test.each(schemaNames)('the example of %s is', (name) => {
    const { example } = recordSchemas[name]
    expect(problemsOf(name, example)).toEqual([])
    const type = knownTypes.find((it) => it === name)
    if (type !== undefined) expect(refusal(type, example)).toBeUndefined()
  })

  test('each record that the README and the pages show is', () => {
    const shown = ['README.md', 'docs/records.md'].flatMap((page) =>
      [...textOf(page).matchAll(/^(?:value +)?(\{"(?:[^`]|\n)*?\})$/gm)].map(([, json = '']) =>
        JSON.parse(json),
      ),
    )
    const seen = shown.map((record) => {
      // The one in binary mode has its type in a header.
      const { type = 'session-terminated', data = record } = record
      expect(problemsOf(type, data)).toEqual([])
      return type as string
    })
    expect(seen).toHaveLength(6)
    expect(new Set(seen)).toEqual(new Set(knownTypes.slice(0, 3)))
  })

  // Texts of each kind, and all that some platform might write instead.
  const text = fc.oneof(
    fc.constantFrom('', 'x', 's1', 'a b', 'ü', '😀', 'a\nb', '\u2028', '\u0085', '\ud800', 'x'.repeat(1_024)),
    fc.constantFrom(
      'x'.repeat(1_025),
      'RS256',
      'HS256',
      'sub',
      'active',
      '2026-01-31T08:00:00Z',
      '17',
      'soon',
    ),
    fc.constantFrom('https://rp.example/bcl?x=1', 'HTTP://rp', 'ftp://rp', 'https://rp#x', 'https://u:p@rp/'),
    fc.constantFrom(
      'https:///rp',
      'https://[::1',
      'https://rp\\x',
      ' https://rp',
      `https://rp/${'x'.repeat(2_048)}`,
    ),
    fc.string({ unit: 'binary' }),
  )
  const value = fc.oneof(
    { weight: 6, arbitrary: text },
    fc.constantFrom(null, true, false, 0, 1.5, -1, 1_769_846_400_000, 1e300, [], {}),
  )
  const isInWords = /^(backchannelLogoutUri|registeredAt): /
  const isNoText = (data: unknown) => /\\ud[89a-f]/i.test(JSON.stringify(data))

  test.each(knownTypes)('%s: the relay takes the same, but for what descriptions say', (type) => {
    const { properties, required } = jsonSchemaOf(type) as { properties: object; required: string[] }
    const optional = Object.keys(properties).filter((name) => !required.includes(name))
    const data = fc.record(
      Object.fromEntries([
        ...required.map((name) => [name, fc.oneof({ weight: 9, arbitrary: fc.constant('id') }, value)]),
        ...optional.map((name) => [name, value]),
      ]) as Record<string, fc.Arbitrary<unknown>>,
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(data, (it) => {
        const [refused, problems] = [refusal(type, it), problemsOf(type, it)]
        if (refused === undefined) expect(problems).toEqual([])
        else if (problems.length === 0 && !isNoText(it))
          expect(refused.split('; ').filter((problem) => !isInWords.test(problem))).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  const id = fc.string({ minLength: 1, maxLength: 20 })
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
  const subject = fc.record(
    {
      ...{ issuer: id, sessionId: id, oidcSessionId: id, clientId: id, userId: id, sub: id, sid: id },
      backchannelLogoutUri: fc.webUrl(),
      sessionRequired: fc.boolean(),
      alg: fc.constantFrom(...tokenAlgorithms),
      typ: id,
      claims: fc.constantFrom(...subjectClaims),
      registeredAtMs: fc.nat(),
    },
    { requiredKeys: ['issuer', 'sessionId', 'oidcSessionId'] },
  )
  const { reason, would } = {
    reason: recordSchemas['backchannel-logout-failed'].schema.shape.reason.options,
    would: recordSchemas['backchannel-logout-shadowed'].schema.shape.would.options,
  }
  const status = fc.integer({ min: 100, max: 599 })
  const outcome = fc.oneof(
    fc.record(
      { kind: fc.constant('sent'), jti: id, attempts: fc.integer({ min: 1 }), status },
      { noNullPrototype: true },
    ),
    fc.record({
      ...{ kind: fc.constant('failed'), reason: fc.constantFrom(...reason), attempts: fc.nat() },
      ...{ jti: maybe(id), lastStatus: maybe(status), lastError: maybe(id), origin: maybe(id) },
    }),
    fc.record({
      ...{ kind: fc.constant('shadowed'), would: fc.constantFrom(...would) },
      ...{ jti: maybe(id), error: maybe(id), origin: maybe(id) },
    }),
  ) as fc.Arbitrary<Outcome>

  test('every outcome is, and has no field that its schema does not name', () => {
    const origin = { id: 't-1', topic: 'session-events', partition: 0, offset: 42 }
    fc.assert(
      fc.property(outcome, subject, maybe(fc.nat()), (it, of, occurredAtMs) => {
        const data = JSON.parse(outcomeData(it, of as never, origin, occurredAtMs))
        const name = outcomeTypes[it.kind]
        expect(problemsOf(name, data)).toEqual([])
        expect(Object.keys(recordSchemas[name].schema.shape)).toEqual(
          expect.arrayContaining(Object.keys(data)),
        )
      }),
    )
  })
})

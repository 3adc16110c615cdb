import { describe, expect, test } from 'vitest'
import { Decoders } from '../../../../../src/events/decoding/decode-record.ts'
import { compileRules } from '../../../../../src/events/decoding/mapping/compile-rules.ts'
import { MappingDecoder } from '../../../../../src/events/decoding/mapping/mapping.ts'
import type { RuleEntry } from '../../../../../src/events/decoding/mapping/rules.ts'
import type { WireHeaders } from '../../../../../src/events/wire-record.ts'
import { logoutTokenPayload } from '../../../../../src/transports/backchannel-logout/claims.ts'

const NOW_MS = Date.parse('2026-06-01T00:00:00Z')
const BYTES_MAX = 256 * 1_024

const ends: RuleEntry['emit'] = [
  { type: 'session-terminated', path: ['emit'], fields: { sessionId: '/sid' } },
]

function decoding(rules: readonly RuleEntry[], split?: string) {
  const compiled = compileRules(rules)
  expect(compiled.problems).toEqual([])
  const mapping = new MappingDecoder([{ topics: ['events'], rules: compiled.rules, split }])
  const decoders = new Decoders((name = 'https://only.example') => name, [mapping])
  return (value: unknown, headers: WireHeaders = {}) => {
    const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
    expect(bytes.length).toBeLessThanOrEqual(BYTES_MAX)
    const record = { topic: 'events', partition: 0, offset: 7, timestampMs: NOW_MS, key: null }
    const decoded = decoders.decode({ ...record, value: bytes, headers }, NOW_MS)
    return 'kind' in decoded ? [decoded] : decoded
  }
}

const logout: RuleEntry = { name: 'logout', when: 'value.type == "out"', emit: ends }
const ended = (sessionId: string) =>
  expect.objectContaining({ trigger: expect.objectContaining({ sessionId }) })

test('several lines of JSON in one value are a dead letter, though each is a record', () => {
  const decode = decoding([logout])
  const lines = [
    { type: 'out', sid: 's-1' },
    { type: 'in', sid: 's-2' },
    { type: 'out', sid: 's-3' },
  ]
  const text = lines.map((it) => JSON.stringify(it)).join('\n')
  const expected = [ended('s-1'), { kind: 'skipped', reason: 'unmapped' }, ended('s-3')]
  expect(decode(text)).toEqual(expected)
  expect(decode(`${text.replaceAll('\n', '\r\n\r\n')}\n`)).toEqual(expected)
  expect(decode('{"type":"out","sid":"s-1"}\n')).toEqual([ended('s-1')])
  // One that is cut off concerns itself alone; what is no list of lines is one mistake.
  expect(decode(`${text}\n{"type":"o`)).toEqual([
    ...expected,
    expect.objectContaining({ kind: 'poison', reason: expect.stringContaining('4 of 4') }),
  ])
  expect(decode('{"type":\n"out" "sid"}')).toEqual([expect.objectContaining({ kind: 'poison' })])
  expect(decode(`{}\n`.repeat(2_000))).toEqual([expect.objectContaining({ kind: 'poison' })])
})

test('an element of a list has what the list stands in as its envelope', () => {
  const fields = { userId: '/uid', issuer: 'envelope.tenant' }
  const out: RuleEntry = {
    ...{ name: 'out', when: 'value.kind == "out" && size(envelope.events) == 3' },
    emit: [{ type: 'user-signed-out', path: ['emit'], fields }],
  }
  const events = [{ kind: 'out', uid: 1 }, { kind: 'in' }, { kind: 'out', uid: 2 }]
  const users = decoding([out], '/events')({ tenant: 'https://t.example', events })
  const signedOut = (userId: string) =>
    expect.objectContaining({ trigger: expect.objectContaining({ issuer: 'https://t.example', userId }) })
  expect(users).toEqual([signedOut('1'), { kind: 'skipped', reason: 'unmapped' }, signedOut('2')])
})

test('the rules that ask another part of the record for a value take it all the same', () => {
  const rules: RuleEntry[] = [
    { name: 'a', when: 'value.type in ["x", "y"] && value.n == 1', emit: [] },
    { name: 'b', when: 'first(at(value, "/kind"), at(value, "/type")) == "y"', emit: ends },
    { name: 'c', when: 'value.type.startsWith("z") && value.type == "z"', emit: ends },
    { name: 'd', when: '"w" == value.type || value.a.b == "d"', emit: ends },
    { name: 'e', when: 'value == "e"', emit: ends },
  ]
  const decode = decoding(rules)
  const takes = (value: object) => decode({ sid: 's', ...value })[0]?.kind === 'trigger'
  for (const value of [{ type: 'y' }, { kind: 'y' }, { type: 'z' }, { type: 'w' }, { a: { b: 'd' } }])
    expect(takes(value), JSON.stringify(value)).toBe(true)
  for (const value of [
    { type: 'x', n: 1 },
    { type: 'y', n: 1 },
    { type: ['y'] },
    { type: null },
    {},
    { a: 'd' },
  ])
    expect(takes(value), JSON.stringify(value)).toBe(false)
})

// Each takes a second to hours where nothing bounds it.
const numbers = { list: new Array(120_000).fill(0) }
const lists = {
  list: new Array(20_000).fill(1),
  a: JSON.stringify(new Array(40_000).fill(1)),
  b: JSON.stringify(new Array(40_000).fill(1)),
}
const texts = { list: new Array(20_000).fill(1), a: 'x'.repeat(90_000), b: `${'x'.repeat(89_999)}y` }
const wide = {
  list: new Array(20_000).fill(1),
  map: Object.fromEntries(Array.from({ length: 9_000 }, (_, i) => [`name-${i}`, i])),
}
const users = { list: Array.from({ length: 900 }, () => ({ a: 1 })), text: 'y'.repeat(200_000) }

test.each([
  ['a comparison of large lists in a loop', 'value.list.all(x, json(value.a) == json(value.b))', lists],
  [
    'a comparison of lists that are made in a loop',
    'value.list.map(x, json(value.a)) == value.list.map(x, json(value.b))',
    lists,
  ],
  ['a comparison of long texts in a loop', 'value.list.all(x, value.a != value.b)', texts],
  ['a loop in a loop', 'value.list.exists(a, value.list.exists(b, a + b == 1.0))', numbers],
  ['a loop whose every step fails', 'value.list.exists(a, a.b.c == "x")', numbers],
  [
    'many loops',
    Array.from({ length: 60 }, () => 'value.list.filter(a, a + 1.0 > 2.0 && a < 3.0) == []').join(' || '),
    numbers,
  ],
  ['a long text for each element', 'size(value.list.map(a, value.a + "x").join("")) > 1', texts],
  [
    'lists that are put together for each element',
    'size(value.list.map(a, value.list + value.list)) > 1',
    texts,
  ],
  ['a wide object for each element', 'value.list.all(a, at(value.map, "/name-1") == 1.0)', wide],
  ['a wide object that is compared for each element', 'value.list.all(a, value.map != "x")', wide],
  ['a wide object that is no condition', 'value.list.exists(a, value.map)', wide],
  ['a long text that is split for each element', 'value.list.all(a, size(value.a.split("x")) > 1)', texts],
  ['patterns for each element', 'value.list.all(a, isMatch(value.a, "(x+x+)+z"))', texts],
  ['a text that is parsed for each element', 'value.list.all(a, json(value.a) == null)', texts],
  ['what is hidden by an alternative', 'value.list.all(a, json(value.a) == json(value.b)) || true', lists],
])('%s holds no partition up: the record is a dead letter that names the rule', (_what, when, value) => {
  const decode = decoding([
    { name: 'costly', when, emit: ends },
    { ...logout, when: 'true' },
  ])
  const [result] = decode(value)
  expect(result).toMatchObject({
    kind: 'poison',
    reason: expect.stringContaining('rule costly: takes too long'),
  })
  // And the next record is read as ever.
  expect(decode({ list: [], sid: 's-1', map: {}, a: '[]', b: '[]' })).toEqual([ended('s-1')])
})

test('an RP with a subject and a session id of its own gets these in its token, and is found by those of the platform', () => {
  const fields = {
    ...{ sessionId: '/session', clientId: '/client', userId: '/user' },
    ...{ sub: ['/pairwise_sub', '/user'], sid: ['/client_sid', '/session'] },
  }
  const login: RuleEntry['emit'] = [{ type: 'backchannel-logout-registered', path: ['emit'], fields }]
  const decode = decoding([{ name: 'login', when: 'true', emit: login }])
  const tokenOf = (value: object) => {
    const [result] = decode({ session: 's-1', client: 'shop', user: 'u-1', ...value })
    if (result?.kind !== 'registration') throw new Error(JSON.stringify(result))
    const { registration } = result
    expect(registration).toMatchObject({ sessionId: 's-1', userId: 'u-1', oidcSessionId: 'shop' })
    const form = { registration, sessionRequired: false, lifetimeMs: 1, claims: 'both', late: false } as const
    return JSON.parse(logoutTokenPayload(form, 'j', NOW_MS)) as unknown
  }
  expect(tokenOf({ pairwise_sub: 'p-1', client_sid: 'c-1' })).toMatchObject({ sub: 'p-1', sid: 'c-1' })
  expect(tokenOf({})).toMatchObject({ sub: 'u-1', sid: 's-1' })
})

test('the events of one record cost what they cost together', () => {
  const when = 'value.texts.all(t, t.contains("x")) && isMatch(value.text, "([a-z]y?){9}q")'
  const decode = decoding([{ ...logout, when }], '/events')
  const event = { texts: ['x', 'x', 'x'], text: 'y'.repeat(1_000) }
  const results = decode({ events: new Array(240).fill(event) })
  const kinds = results.map(({ kind }) => kind)
  expect(kinds[0]).toBe('skipped')
  expect(kinds.at(-1)).toBe('poison')
})

test('fields for each element of a list cost what they cost together', () => {
  const emit: RuleEntry['emit'] = [
    {
      ...{ type: 'session-terminated', path: ['emit'] },
      fields: { sessionId: 'capture(value.text, "(y+)$")', userId: 'item.a' },
    },
  ]
  const [result] = decoding([{ name: 'each', when: 'true', each: 'value.list', emit }])(users)
  expect(result).toMatchObject({
    kind: 'poison',
    reason: expect.stringContaining('rule each: takes too long'),
  })
})

test('many results for each element of a list cost what they cost together, also where they lack their fields', () => {
  const all = Array.from({ length: 50 }, () => ['sessionId', 'userId', 'reason'])
  for (const source of ['item.nothing', 'item.a.b', 'text(item.a)']) {
    const emit = all.map((names): RuleEntry['emit'][number] => ({
      ...{ type: 'session-terminated', path: ['emit'] },
      fields: Object.fromEntries(names.map((name) => [name, source])),
    }))
    const [result] = decoding([{ name: 'each', when: 'true', each: 'value.list', emit }])(users)
    expect(result).toMatchObject({ kind: 'poison', reason: expect.stringContaining('takes too long') })
  }
})

test('a batch of a great many events is one mistake', () => {
  const headers = { 'content-type': 'application/cloudevents-batch+json' }
  expect(decoding([logout])(`[${'{},'.repeat(80_000)}{}]`, headers)).toMatchObject([{ kind: 'poison' }])
})

test('a large record is read as a small one where the rules look at little of it', () => {
  const when =
    'value.type == "out" && value.target.exists(t, t.type == "User") && json(value.text).ok == true'
  const decode = decoding([{ ...logout, when }])
  const target = Array.from({ length: 500 }, (_, i) => ({ type: i === 499 ? 'User' : 'Other' }))
  const text = JSON.stringify({ ok: true, more: 'x'.repeat(30_000) })
  expect(decode({ type: 'out', sid: 's-1', target, ...users, text })).toEqual([ended('s-1')])
})

test('a record of many levels leaves nothing behind: it is a dead letter', () => {
  const nested = (levels: number): unknown => (levels === 0 ? 'x' : { a: nested(levels - 1) })
  const decode = decoding([{ ...logout, when: 'text(value.a) == null' }])
  expect(decode({ sid: 's-1', a: nested(10) })).toEqual([ended('s-1')])
  expect(decode({ sid: 's-1', a: nested(20) })).toEqual([
    expect.objectContaining({ kind: 'poison', reason: expect.stringContaining('levels') }),
  ])
  const within = decoding([{ ...logout, when: 'at(json(value.text), "/enabled") == false' }])
  expect(within({ text: JSON.stringify({ enabled: false, a: nested(20) }) })).toMatchObject([
    { kind: 'poison' },
  ])
  expect(decode(`{"sid":"s-1","a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)).toMatchObject([
    { kind: 'poison' },
  ])
})

test('a condition on an empty text is met by one', () => {
  const when = 'value.error == "" && value.type == "out"'
  expect(decoding([{ ...logout, when }])({ error: '', type: 'out', sid: 's-1' })).toEqual([ended('s-1')])
})

test('an id beyond what a number holds keeps its digits: rounded it would end the session of another', () => {
  const decode = decoding([logout])
  expect(decode('{"type":"out","sid":9007199254740993}')).toEqual([ended('9007199254740993')])
  expect(decode({ payload: '{"type":"out","sid":12345678901234567890}', schema: {} })).toEqual([
    ended('12345678901234567890'),
  ])
  expect(decode('{"type":"out","sid":9007199254740993.5}')).toEqual([ended('9007199254740993.5')])
  expect(decode('{"type":"out","sid":1234567890123456}')).toEqual([ended('1234567890123456')])
})

test('a session whose id is used again ends as it was at the cut-off', () => {
  const decode = decoding([
    { ...logout, emit: [{ ...ends[0], fields: { ...ends[0]?.fields, cutOff: '/at' } }] as RuleEntry['emit'] },
  ])
  const untilMs = (value: object) => (decode(value)[0] as { trigger: { untilMs: number } }).trigger.untilMs
  const { 0: late, 1: none } = [{ at: NOW_MS - 600_000 }, {}].map((it) =>
    untilMs({ type: 'out', sid: 's-1', ...it }),
  )
  expect(Number(none) - Number(late)).toBe(600_000)
})

describe('CloudEvents in structured mode on a mapped topic', () => {
  const headers = { 'content-type': Buffer.from('application/cloudevents+json') }
  const own = {
    specversion: '1.0',
    id: 'e',
    source: 's',
    type: 'session-terminated',
    data: { sessionId: 's-1' },
  }
  const mapped = { ...own, type: 'theirs', data: { type: 'out', sid: 's-2' } }

  test('of the own types are read as such, alone and in a batch with others', () => {
    const decode = decoding([logout])
    expect(decode(own, headers)).toEqual([ended('s-1')])
    const batch = { 'content-type': Buffer.from('application/cloudevents-batch+json') }
    expect(decode([mapped, own], batch)).toEqual([ended('s-2'), ended('s-1')])
  })

  test('need no header that says what they are, within envelopes either', () => {
    const decode = decoding([logout])
    expect(decode({ schema: null, payload: own })).toEqual([ended('s-1')])
    expect(decode(mapped)).toEqual([ended('s-2')])
    expect(decode([mapped, own])).toEqual([ended('s-2'), ended('s-1')])
    expect(decode([mapped, own].map((it) => JSON.stringify(it)).join('\n'))).toEqual([
      ended('s-2'),
      ended('s-1'),
    ])
    const raw = { type: 'out', sid: 's-3' }
    expect(decoding([logout], '')([mapped, raw, own])).toEqual([ended('s-2'), ended('s-3'), ended('s-1')])
  })

  test('may be of a kind that no rule makes: a rebuild must not pass over a registration', () => {
    const compiled = compileRules([logout])
    const mapping = new MappingDecoder([{ topics: ['events'], rules: compiled.rules }])
    const record = { topic: 'events', partition: 0, offset: 7, timestampMs: NOW_MS, key: null, value: null }
    const decoders = new Decoders((name) => name, [mapping])
    for (const it of [headers, {}])
      expect(decoders.mayConcern({ ...record, headers: it }, 'registration')).toBe(true)
  })
})

test('a dead letter on a topic that a pattern matches is passed over, instead of becoming a further one', () => {
  const headers = { 'dead-letter-reason': Buffer.from('sessionId: is required') }
  expect(decoding([logout])({ type: 'out' }, headers)).toEqual([{ kind: 'skipped', reason: 'dead-letter' }])
})

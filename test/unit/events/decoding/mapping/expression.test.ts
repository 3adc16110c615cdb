import { expect, test } from 'vitest'
import { renewBudget } from '../../../../../src/events/decoding/mapping/budget.ts'
import { compileExpression } from '../../../../../src/events/decoding/mapping/expression.ts'
import { time } from '../../../../../src/events/decoding/mapping/functions.ts'
import type { Variables } from '../../../../../src/events/decoding/mapping/rules.ts'

const variables = (value: unknown, more: Partial<Variables> = {}): Variables => ({
  ...{ value, envelope: null, key: null, headers: {}, topic: 'events', op: '', before: null },
  ...{ timestamp: 1, item: null },
  ...more,
})

function evaluate(source: string, value: unknown, more?: Partial<Variables>): unknown {
  const compiled = compileExpression(source)
  if (compiled.kind === 'invalid') throw new Error(compiled.problem)
  renewBudget()
  return compiled.evaluate(variables(value, more))
}

test.each([
  ['capture(value.path, "^users/([^/]+)/logout$")', { path: 'users/u-1/logout' }, 'u-1'],
  ['capture(value.path, "^users/([^/]+)/logout$")', { path: 'users/u-1/logout/x' }, null],
  ['json(value.representation).enabled == false', { representation: '{"enabled":false}' }, true],
  [
    'value.target.filter(t, t.type == "User")[0].id',
    { target: [{ type: 'A' }, { type: 'User', id: 'u' }] },
    'u',
  ],
  ['value.events.exists(type, type.endsWith("/revoked"))', { events: { 'https://x/revoked': {} } }, true],
  ['json(base64(value.payload)).sid', { payload: Buffer.from('{"sid":"s"}').toString('base64') }, 's'],
  ['value.?error.orValue(null) == null', {}, true],
  ['value.?error.orValue(null) == null', { error: null }, true],
  ['value.?error.orValue(null) == null', { error: 'x' }, false],
  ['at(value, "/a~1b/0")', { 'a/b': ['x'] }, 'x'],
  ['at(value, "/nowhere/x")', {}, null],
  ['at(value, "/constructor")', {}, null],
])('%s', (source, value, result) => {
  expect(evaluate(source, value)).toEqual(result)
})

test('key, headers, topic and the kind of a change can be asked for', () => {
  expect(
    evaluate('key + headers["type"] + topic + op', {}, { key: 'k', headers: { type: 't' }, op: 'c' }),
  ).toBe('kteventsc')
})

test('an expression that cannot be right is refused when it is read', () => {
  for (const source of ['1 +', 'nowhere', 'topic + 1', 'unknown(value)', 'topic == 5', '']) {
    expect(compileExpression(source).kind, source).toBe('invalid')
  }
})

test('no text of a record takes longer than its length: patterns do not backtrack, and only written ones are taken', () => {
  expect(evaluate('isMatch(value, "^(a+)+$")', `${'a'.repeat(100_000)}!`)).toBe(false)
  for (const source of [
    'value.matches("^(a+)+$")',
    'value.list.exists(e, e.matches("a"))',
    'has(value.a) ? [value.a.matches("a")] : []',
    'isMatch(value.a, value.b)',
    'capture(value.a, topic)',
    'isMatch(value.a, "(")',
  ]) {
    expect(compileExpression(source).kind, source).toBe('invalid')
  }
})

test('what has no bound on its time is refused when the expression is read', () => {
  for (const source of [
    'duration(value.a)',
    'timestamp(value.a).getHours("Europe/Paris")',
    'cel.bind(a, value.list + value.list, a + a)',
    'value.a.contains(value.b)',
    'value.a.lastIndexOf("x")',
    'value.a.split(key)',
    'bytes(value.a).json()',
    'sized(value)',
  ]) {
    expect(compileExpression(source).kind, source).toBe('invalid')
  }
})

test('what an expression says stays the same where it is metered', () => {
  const value = { list: [1.5, 2.5], texts: ['b', 'c'], text: 'abc', a: { b: [{ c: 'x' }] }, n: 2, none: null }
  for (const [source, result] of [
    ['value.list.filter(a, a > 1.0).map(a, a * 2.0)', [3, 5]],
    [
      'value.list.map(a, value.list.map(b, a - (b - a)))',
      [
        [1.5, 0.5],
        [3.5, 2.5],
      ],
    ],
    ['value.list.all(a, a > 1.0) && !value.list.exists(a, a > 3.0 || has(value.nothing))', true],
    ['value.list.exists_one(a, a == 1.5) ? "one" : "none"', 'one'],
    ['value.texts.map(t, t + value.text)', ['babc', 'cabc']],
    ['value.texts + ["d"] == ["b", "c", "d"]', true],
    ['value.text.substring(1).upperAscii() + string(size(value.list))', 'BC2'],
    ['value.texts.join("-").split("-").filter(t, t in value.texts)', ['b', 'c']],
    ['value.a.b.exists(e, e.?c.orValue("") == "x" && e.?d.orValue("y") == "y")', true],
    ['value.a["b"][0].c', 'x'],
    ['-(value.n - 3.0) * 2.0', 2],
    ['[{"k": value.a.b}][0].k[0].c', 'x'],
    ['value.?none.orValue("z") == null ? "\\"q\\"\\u00e9" : "other"', '"q"\u00e9'],
    ["r'\\d' + value.text", '\\dabc'],
  ] as const) {
    expect(evaluate(source, value), source).toEqual(result)
    const compiled = compileExpression(source, true)
    expect(compiled.kind === 'compiled' && compiled.evaluate(variables(value)), source).toEqual(result)
  }
})

test('times in seconds, milliseconds, microseconds and ISO, also with a blank', () => {
  const ms = Date.parse('2026-01-31T09:30:00Z')
  for (const value of [
    ms,
    ms / 1_000,
    ms * 1_000,
    ms * 1e6,
    String(ms),
    BigInt(ms),
    '2026-01-31T09:30:00Z',
  ]) {
    expect(time(value)).toBe(ms)
  }
  expect(time('2026-01-31 09:30:00')).toBe(ms)
  expect(time('2026-01-31 10:30:00+01')).toBe(ms)
  for (const value of ['', 'yesterday', null, {}, -1, NaN, '2026-31-01T00:00:00Z'])
    expect(time(value)).toBeNull()
})

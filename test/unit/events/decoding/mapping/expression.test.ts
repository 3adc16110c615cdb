import { expect, test } from 'vitest'
import { compileExpression } from '../../../../../src/events/decoding/mapping/expression.ts'
import { renewBudget, time } from '../../../../../src/events/decoding/mapping/functions.ts'
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

test('what an expression costs grows with the record and not with its square', () => {
  for (const source of [
    'value.exists(a, value.exists(b, a == b))',
    'value.map(a, value.filter(b, b == a))',
    'value.map(a, [a].map(b, value.all(c, c == b)))',
    'value.all(a, !(a in value))',
    'value.map(a, value + value)',
    'value.all(a, topic.contains(key))',
  ]) {
    expect(compileExpression(source).kind, source).toBe('invalid')
  }
  expect(evaluate('value.filter(a, a > 1).map(a, a * 2.0)', [1.5, 2.5])).toEqual([3, 5])
  const large = { list: new Array(10_000).fill(0), text: JSON.stringify('x'.repeat(100_000)) }
  expect(() => evaluate('value.list.map(e, json(value.text))', large)).toThrow()
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

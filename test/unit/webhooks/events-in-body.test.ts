import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventsIn } from '../../../src/webhooks/events-in-body.ts'

const textsIn = (body: string | Buffer) => {
  const found = eventsIn(Buffer.from(body))
  return found.kind === 'events' ? found.events.map(String) : found.kind
}

const json = fc.dictionary(fc.string(), fc.jsonValue())

test('every event is found, with the bytes in which it was written, as a list and as lines', () => {
  fc.assert(
    fc.property(
      fc.array(json, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(undefined, 1),
      (events, indent) => {
        const list = textsIn(JSON.stringify(events, undefined, indent))
        expect(Array.isArray(list) && list.map((it) => JSON.parse(it))).toEqual(
          JSON.parse(JSON.stringify(events)),
        )
        const lines = events.map((it) => JSON.stringify(it))
        if (lines.length > 1)
          expect(textsIn(`${lines.join('\r\n')}\n\n`)).toEqual(
            lines.map((it, i) => (i < lines.length - 1 ? `${it}\r` : it)),
          )
      },
    ),
  )
})

test('nothing of an event is written anew: numbers, escapes and repeated names stay', () => {
  const event = '{"id":12345678901234567890,"text":"a\\u0041],[{","id":1.0}'
  expect(textsIn(event)).toEqual([event])
  expect(textsIn(`[${event},${event}]`)).toEqual([event, event])
  expect(textsIn(`${event}\n${event}`)).toEqual([event, event])
})

test.each([
  ['nothing', ''],
  ['text', 'not json'],
  ['a number', '7'],
  ['a string', '"{}"'],
  ['a list of numbers', '[1]'],
  ['a list that is not closed', '[{}'],
  ['one line that is none', '{}\n{\n{}'],
  ['another encoding', Buffer.from('{"a":"ä"}', 'latin1')],
])('%s is no JSON of a platform', (_, body) => {
  expect(textsIn(body)).toBe('not-json')
})

test('a byte order mark is left out', () => {
  for (const body of ['{"a":1}', '[{"a":1}]', '{"a":1}\n{"a":1}'])
    expect(textsIn(`\ufeff${body}`)).toEqual(textsIn(body))
})

test('an empty list holds no event', () => {
  expect(textsIn(' [ ] ')).toEqual([])
})

test('more events than may be, or one that no format reads, are refused before they are published', () => {
  expect(textsIn(JSON.stringify(Array.from({ length: 1_000 }, () => ({}))))).toHaveLength(1_000)
  expect(textsIn(JSON.stringify(Array.from({ length: 1_001 }, () => ({}))))).toBe('too-large')
  expect(textsIn('{}\n'.repeat(1_001))).toBe('too-large')
  expect(textsIn(JSON.stringify([{ a: 'x'.repeat(300_000) }]))).toBe('too-large')
})

test('depth without end is refused or read, in any case at once', () => {
  expect(textsIn('['.repeat(500_000))).toBe('not-json')
  expect(textsIn(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)).toHaveLength(1)
})

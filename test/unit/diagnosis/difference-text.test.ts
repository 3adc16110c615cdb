import fc from 'fast-check'
import { expect, test } from 'vitest'
import { differenceText } from '../../../src/diagnosis/difference-text.ts'

test.each([
  ['https://login.example.com', 'https://login.example.com/', 'byte 26: …mple.com»« and …mple.com»/«'],
  [
    'https://login.example.com/a',
    'http://login.example.com/a',
    'byte 5: http»s«://login… and http»«://login…',
  ],
  ['https://a/Shop', 'https://a/shop', 'byte 11: …tps://a/»S«hop and …tps://a/»s«hop'],
  ['é1', 'é2', 'byte 3: é»1« and é»2«'],
])('%s and %s', (one, other, text) => {
  expect(differenceText(one, other)).toBe(text)
})

test('what is marked, put in the place of the other, makes one name of the other', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      fc.pre(!/[»«]/.test(one + other) && one !== other)
      const [, a = '', b = ''] = /»([^«]*)«.*»([^«]*)«/su.exec(differenceText(one, other)) ?? []
      const at = [...one].findIndex((it, i) => it !== [...other][i])
      const head = [...one].slice(0, at === -1 ? undefined : at).join('')
      const rest = one.slice(head.length + a.length)
      expect(one.startsWith(a, head.length)).toBe(true)
      expect(head + b + rest).toBe(other)
    }),
  )
})

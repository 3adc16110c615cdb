import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLongYaml } from '../../../src/config/quick-yaml.ts'
import { readYamlDocument } from '../../../src/config/yaml-document.ts'

/** Longer than what is read at once, so that something else is read after it. */
const padding = `    # ${'x'.repeat(17_000)}\n`

/** What may stand as an element of a list, and what may not, where it could be cut in two. */
const elements = [
  '  - a: b\n',
  '  -   a: b\n      c: [1, "2"]\n',
  '  - - a\n    - b\n',
  '  - |\n    text\n    - more\n',
  '  - a: |+\n      text\n\n\n',
  '  - a: |\n  - b\n',
  '  - "one\n  - two"\n',
  '  - [one,\n  - two]\n',
  '  - "one\n\n    two"\n',
  '  - one\n    - two\n',
  '  - &a x\n',
  '  - *a\n',
  '  -\n    a: b\n',
  '  -\n',
  '  - a # b\u2028  - c\n',
  '  # a\n  - b\n',
  '# a\n  - b\n',
  '  - a\r\n',
  '  - { a: 1, a: 2 }\n',
  '  - a: 1\n    a: 2\n',
  '  -\ta\n',
  '   - a\n',
  ' - a\n',
  '- a\n',
  'other: 1\n',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '\n\n',
] as const

const heads = [
  'list:\n',
  '---\nlist:\n',
  '# a\n\nlist: # b\n  # c\n',
  'list: x\n',
  '%YAML 1.1\n---\nlist:\n',
  '',
]

test('a long document read in pieces says what it says as a whole', async () => {
  const text = fc
    .tuple(fc.constantFrom(...heads), fc.array(fc.constantFrom(...elements), { minLength: 1, maxLength: 5 }))
    .map(([head, some]) => head + some.join(padding))
  await fc.assert(
    fc.asyncProperty(text, async (it) => {
      const { value, problems } = await readLongYaml(it)
      const whole = readYamlDocument(it)
      expect(problems).toEqual(whole.problems)
      expect(value).toEqual(whole.value)
    }),
    { numRuns: 500 },
  )
})

test('JSON says the same as the YAML that it is', async () => {
  const text = fc.tuple(fc.json(), fc.constantFrom(undefined, 1, '\t')).map(([it, space]) => {
    return JSON.stringify({ 'a": ': JSON.parse(it), b: '": ', c: '\\' }, null, space)
  })
  await fc.assert(
    fc.asyncProperty(text, async (it) => {
      expect((await readLongYaml(it)).value).toEqual(readYamlDocument(it).value)
    }),
    { numRuns: 300 },
  )
})

test.each([
  ['YAML', `list:\n  - a: 1\n${padding.repeat(3)}  - b: 1\n`, 6],
  ['JSON', '{ "list": [{ "a": 1 },\n{ "b": 1 }] }', 2],
])('a line of %s is that of the whole document', async (_, text, line) => {
  const document = await readLongYaml(text)
  expect(document.value).toEqual({ list: [{ a: 1 }, { b: 1 }] })
  expect(document.lineOf(['list', 1, 'b'], 'key')).toBe(line)
})

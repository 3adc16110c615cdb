import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Column, tableLines } from '../../../src/cli/table.ts'

interface Line extends Record<string, unknown> {
  readonly at: string
  readonly id: string
  readonly count: number
  readonly text: readonly string[]
}

const columns: readonly Column<Line>[] = [
  { title: 'AT', cell: ({ at }) => at, isWhole: true },
  { title: 'ID', cell: ({ id }) => id },
  { title: 'COUNT', cell: ({ count }) => count, alignment: 'right' },
  { title: 'TEXT', cell: ({ text }) => text, isProse: true },
]

const plain = (_: unknown, text: string) => text
const linesAt = (rows: readonly Line[], width: number) => tableLines(columns, rows, width, plain)

const word = fc.string({ unit: fc.constantFrom(...'abcxyz09-_/:'), minLength: 1, maxLength: 200 })
const line = fc.record({
  at: fc.constant('2026-01-31T09:03:19.851Z'),
  id: word,
  count: fc.nat(),
  text: fc.array(fc.array(word, { maxLength: 30 }).map((words) => words.join(' '))),
})
/** What stands in a column, read from top to bottom, is what was put there. */
const squeezed = (texts: readonly string[]) => texts.join('').replaceAll(' ', '')

describe('a table', () => {
  test.each([80, 120, 200])('of %d columns is no wider, and nothing of it is cut', (width) => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), (rows) => {
        const lines = linesAt(rows, width)
        expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width)
        const counts = (text: string) => text.replaceAll(' ', '').split('').sort().join('')
        const all = rows.flatMap(({ at, id, count, text }) => [at, id, String(count), ...text])
        expect(counts(lines.join(''))).toBe(counts(squeezed(['AT', 'ID', 'COUNT', 'TEXT', ...all])))
      }),
    )
  })

  test('below 120 columns sentences stand below their row, with what to do behind them', () => {
    const text = [`it ${'is '.repeat(40)}wrong`, '→ mend it']
    const lines = linesAt([{ at: 'now', id: 'x', count: 1, text }], 80)
    expect(lines[0]).toBe('AT   ID  COUNT')
    expect(lines.filter((it) => it.startsWith('now'))).toEqual(['now  x       1'])
    expect(lines.at(-1)).toBe('  → mend it')
  })

  test('what else tells of a row stands beside it there, as far as there is room', () => {
    const more: readonly Column<Line>[] = [
      ...columns.slice(0, 3),
      { title: 'ISSUER', cell: () => 'https://tenant-17.login.example.com', isProse: true },
      { title: 'ERROR', cell: ({ text }) => text, isProse: true },
    ]
    const row = { at: 'now', id: 'x'.repeat(50), count: 1 }
    const lines = (text: string) => tableLines(more, [{ ...row, text: [text] }], 80, plain)
    expect(lines('HTTP 503')).toEqual([
      `AT   ${'ID'.padEnd(50)}  COUNT`,
      '  ISSUER  ERROR',
      `now  ${row.id}      1`,
      '  https://tenant-17.login.example.com  HTTP 503',
    ])
    expect(lines('y'.repeat(60)).slice(-2)).toEqual([
      '  https://tenant-17.login.example.com',
      `  ${'y'.repeat(60)}`,
    ])
  })

  test('a summary of many columns is broken between the words of its titles', () => {
    const titles = ['TRIGGERS READ', 'MATCHING', 'SKIPPED', 'LEFT TO RELAYS', 'OWED', 'SENT', 'FAILED']
    const all = [...titles, 'STILL PARKED', 'NOT PARKED', 'SECONDS']
    const figures: readonly Column<{ n: number }>[] = all.map((title) => {
      return { title, cell: ({ n }) => n, alignment: 'right' }
    })
    const lines = tableLines(figures, [{ n: 400 }], 80, plain)
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80)
    const words = lines.flatMap((it) => it.split(/ +/)).filter((it) => it !== '' && it !== '400')
    expect(words.sort()).toEqual(all.flatMap((title) => title.split(' ')).sort())
  })

  test('times stay whole while anything else can be broken', () => {
    const at = '2026-01-31T09:03:19.851Z'
    const lines = linesAt([{ at, id: 'x'.repeat(200), count: 1, text: [] }], 80)
    expect(lines.some((it) => it.includes(at))).toBe(true)
  })

  test('that is piped is a line per row, however long', () => {
    const row = { at: 'now', id: 'x'.repeat(300), count: 7, text: ['y '.repeat(300)] }
    expect(linesAt([row], Number.POSITIVE_INFINITY)).toHaveLength(2)
  })
})

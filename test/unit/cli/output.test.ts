import { Writable } from 'node:stream'
import { WriteStream } from 'node:tty'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Column, Output } from '../../../src/cli/output.ts'

function sink(isTTY = false) {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  const { getColorDepth } = WriteStream.prototype
  return { stream: Object.assign(stream, { isTTY, columns: 20, getColorDepth }), text: () => text }
}

interface Fruit extends Record<string, unknown> {
  readonly name: string
  readonly count: number
}
const columns: Column<Fruit>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'COUNT', cell: ({ count }) => count, alignment: 'right' },
]

afterEach(() => vi.unstubAllEnvs())

describe('output', () => {
  test('is a table for people, in which foreign ids move no cursor', () => {
    const [out, notes] = [sink(), sink()]
    const output = new Output(false, out.stream, notes.stream)
    output.rows(columns, [{ name: 'app\u001B[2Jle', count: 7 }], 'none')
    output.rows(columns, [], 'no fruit')
    expect(out.text()).toBe('NAME       COUNT\napp\uFFFD[2Jle      7\n')
    expect(notes.text()).toBe('no fruit\n')
  })

  test('shows nothing of what would order a terminal about, whatever it is written by', () => {
    const [out, notes] = [sink(), sink(true)]
    const output = new Output(false, out.stream, notes.stream)
    const hostile = 'a\u001B]0;x\u0007b\u009B2Jc\u202Ed\u2066e\u2028f\r\ng'
    output.rows(columns, [{ name: hostile, count: 1 }], 'none')
    output.line(hostile)
    output.note(hostile)
    output.redraw(hostile)
    new Output(true, out.stream, notes.stream).json({ hostile })
    // What the relay itself writes to clear a line.
    const whole = (out.text() + notes.text()).replace('\r\u001B[K', '')
    expect(whole.match(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu)?.every((it) => it === '\n')).toBe(true)
    expect(JSON.parse(out.text().split('\n').at(-2) ?? '')).toEqual({ hostile })
  })

  test('is a line of JSON per row for scripts, and nothing else', () => {
    const [out, notes] = [sink(), sink(true)]
    const output = new Output(true, out.stream, notes.stream)
    output.rows(
      columns,
      [
        { name: 'a', count: 1 },
        { name: 'b\n', count: 2 },
      ],
      'none',
    )
    output.rows(columns, [], 'none')
    output.line('for people')
    output.redraw('progress')
    expect(out.text()).toBe('{"name":"a","count":1}\n{"name":"b\\n","count":2}\n')
    expect(notes.text()).toBe('')
  })

  test('has colours on a terminal alone, unless NO_COLOR is set, or with FORCE_COLOR everywhere', () => {
    const styled: Column<Fruit>[] = [{ title: 'NAME', cell: ({ name }) => name, style: () => 'red' }]
    const textOf = (isTTY: boolean) => {
      const out = sink(isTTY)
      new Output(false, out.stream, sink().stream).rows(styled, [{ name: 'apple', count: 1 }], '')
      return out.text()
    }
    vi.stubEnv('FORCE_COLOR', undefined).stubEnv('NO_COLOR', undefined).stubEnv('TERM', 'xterm')
    expect(textOf(true)).toContain('\u001B[31mapple\u001B[39m')
    expect(textOf(false)).toBe('NAME\napple\n')
    vi.stubEnv('FORCE_COLOR', '1')
    expect(textOf(false)).toContain('\u001B[31mapple')
    vi.stubEnv('FORCE_COLOR', undefined).stubEnv('NO_COLOR', '1')
    expect(textOf(true)).toBe('NAME\napple\n')
  })

  test('tells every error with the same prefix', () => {
    const notes = sink()
    const before = process.exitCode
    new Output(true, sink().stream, notes.stream).fail('no\u001Bbody')
    expect(notes.text()).toBe('logout-relay: error: no\uFFFDbody\n')
    expect(process.exitCode).toBe(1)
    process.exitCode = before
  })

  test('draws over a line only where somebody watches, and no longer than that is wide', () => {
    const [watched, unwatched] = [sink(true), sink()]
    new Output(false, sink().stream, watched.stream).redraw('x'.repeat(40))
    new Output(false, sink().stream, unwatched.stream).redraw('x')
    expect(watched.text()).toBe(`\r\u001B[K${'x'.repeat(19)}`)
    expect(unwatched.text()).toBe('')
  })

  test('outlives a reader that has seen enough, and no other fault', () => {
    const { stream } = sink()
    new Output(false, stream)
    const fault = (code: string) => Object.assign(new Error(code), { code })
    expect(() => stream.emit('error', fault('EPIPE'))).not.toThrow()
    expect(() => stream.emit('error', fault('EIO'))).toThrow('EIO')
  })
})

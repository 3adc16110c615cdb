import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { discardBody, RequestBodies } from '../../../src/http/request-bodies.ts'

/** As much of a request as is read of it. */
function arriving(headers: Record<string, string> = {}) {
  const stream = Object.assign(new PassThrough(), { headers, complete: false })
  return { stream, request: stream as unknown as IncomingMessage }
}
const asked: string[] = []
const response = { writeContinue: () => asked.push('continue') } as unknown as ServerResponse
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a body is read in whatever pieces it comes', async () => {
  const { request, stream } = arriving()
  const read = new RequestBodies({ bytesMax: 10, totalBytesMax: 20 }).read(request, response)
  for (const piece of ['ab', 'cd', 'efghij']) stream.write(piece)
  stream.end()
  expect(await read).toEqual({ kind: 'body', bytes: Buffer.from('abcdefghij') })
})

test('one that is too large is given up at once, by what it states or by what it is', async () => {
  const bodies = new RequestBodies({ bytesMax: 10, totalBytesMax: 20 })
  expect(await bodies.read(arriving({ 'content-length': '11' }).request, response)).toEqual({
    kind: 'too-large',
  })
  const { request, stream } = arriving()
  const read = bodies.read(request, response)
  stream.write('x'.repeat(11))
  expect(await read).toEqual({ kind: 'too-large' })
})

test('one that is asked for first is asked for only if it may be taken', async () => {
  const bodies = new RequestBodies({ bytesMax: 10, totalBytesMax: 20 })
  const expects = { expect: '100-continue' }
  await bodies.read(arriving({ ...expects, 'content-length': '11' }).request, response)
  expect(asked).toEqual([])
  const { request, stream } = arriving(expects)
  stream.end('x')
  await bodies.read(request, response)
  expect(asked).toEqual(['continue'])
})

test('of those that do not fit together the one that has taken longest gives way, and its memory is free again', async () => {
  const bodies = new RequestBodies({ bytesMax: 10, totalBytesMax: 20 })
  const [slow, slower, quick, last] = [arriving(), arriving(), arriving(), arriving()]
  const first = bodies.read(slow.request, response)
  slow.stream.write('x'.repeat(9))
  await turn()
  const second = bodies.read(slower.request, response)
  slower.stream.write('x'.repeat(9))
  await turn()
  const third = bodies.read(quick.request, response)
  quick.stream.end('x'.repeat(9))
  expect([await first, (await third).kind]).toEqual([{ kind: 'evicted' }, 'body'])
  const fourth = bodies.read(last.request, response)
  last.stream.end('x'.repeat(9))
  expect((await fourth).kind).toBe('body')
  slower.stream.end()
  expect((await second).kind).toBe('body')
})

test('a client that leaves ends its reading', async () => {
  const { request, stream } = arriving()
  const read = new RequestBodies({ bytesMax: 10, totalBytesMax: 20 }).read(request, response)
  stream.write('x')
  await turn()
  stream.destroy()
  expect(await read).toEqual({ kind: 'aborted' })
})

test('what is refused is read on until its end, or until it is too much', async () => {
  const short = arriving()
  const discarded = discardBody(short.request)
  short.stream.end('the rest')
  await discarded
  const endless = arriving()
  const given = discardBody(endless.request)
  const megabyte = Buffer.alloc(1_024 * 1_024)
  for (let i = 0; i < 9; i++) endless.stream.write(megabyte)
  await given
  expect(endless.stream.destroyed).toBe(false)
})

import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { IntakeSource } from '../../../src/config/intake-file.ts'
import type { OutgoingRecord } from '../../../src/delivery/outcome-log.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { WebhookListener } from '../../../src/webhooks/webhook-listener.ts'

const SECRET = 'a secret that both know'
const source: IntakeSource = {
  name: 'it',
  topic: 't',
  verification: { kind: 'hmac', headers: ['x-signature'], algorithm: 'sha256', encoding: 'hex', prefix: '' },
  challenge: 'okta',
  secrets: [Buffer.from(SECRET)],
  keys: [],
  keptHeaders: [],
}
const records: OutgoingRecord[] = []
const results: string[] = []
const listener = new WebhookListener({
  clock: systemClock,
  log: { append: async (them) => void records.push(...them) },
  sources: () => [source],
  onAnswered: (_source, result) => results.push(result),
  onFailed: () => undefined,
  onPublished: () => undefined,
})
let port: number

beforeAll(async () => {
  port = (await listener.listen(0, '127.0.0.1')).port
})
afterAll(() => listener.drain(0))
beforeEach(() => {
  records.length = 0
  results.length = 0
})

const signed = (body: string) => `X-Signature: ${createHmac('sha256', SECRET).update(body).digest('hex')}`
const head = (lines: readonly string[], target = '/intake/it') =>
  [`POST ${target} HTTP/1.1`, 'Host: relay.example', 'Connection: close', ...lines, '', ''].join('\r\n')
const length = (body: string) => `Content-Length: ${Buffer.byteLength(body)}`

/** The status of each answer to what is written, the next part after each answer. */
async function statuses(...parts: readonly string[]): Promise<number[]> {
  const socket = connect(port, '127.0.0.1')
  socket.setEncoding('utf8')
  let text = ''
  const closed = once(socket, 'close')
  for (const part of parts) {
    socket.write(part)
    const [answer] = await once(socket, 'data')
    text += answer
  }
  socket.on('data', (more) => {
    text += more
  })
  await closed
  return [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))
}

const BODY = '{"a":1}'
const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

test.each([
  ['as it mostly is', [head([length(BODY), signed(BODY)]) + BODY], [204]],
  [
    'with the whole address, as to a proxy',
    [head([length(BODY), signed(BODY)], 'http://Relay.example/intake/it?a=b') + BODY],
    [204],
  ],
  ['in chunks', [head(['Transfer-Encoding: chunked', signed(BODY)]) + chunked(BODY)], [204]],
  ['when it was asked for', [head([length(BODY), signed(BODY), 'Expect: 100-Continue']), BODY], [100, 204]],
  [
    'in chunks, when it was asked for',
    [head(['Transfer-Encoding: chunked', signed(BODY), 'Expect: 100-continue']), chunked(BODY)],
    [100, 204],
  ],
  ['with the same signature twice', [head([length(BODY), signed(BODY), signed(BODY)]) + BODY], [204]],
])('a body that comes %s is published', async (_what, parts, answers) => {
  expect(await statuses(...parts)).toEqual(answers)
  expect(records.map(({ value }) => String(value))).toEqual([BODY])
})

test('a byte order mark is part of what was signed, and not of the record', async () => {
  const body = `\ufeff${BODY}`
  expect(await statuses(head([length(body), signed(body)]) + body)).toEqual([204])
  expect(records.map(({ value }) => String(value))).toEqual([BODY])
})

test.each([
  ['signatures that differ', [length(BODY), signed(BODY), 'X-Signature: 00'], 401],
  ['another expectation', [length(BODY), signed(BODY), 'Expect: tea'], 417],
  ['a length and chunks', [length(BODY), 'Transfer-Encoding: chunked', signed(BODY)], 400],
  ['two lengths', [length(BODY), 'Content-Length: 3', signed(BODY)], 400],
  ['another transfer encoding', ['Transfer-Encoding: gzip, chunked', signed(BODY)], 415],
])('a request with %s is refused', async (_what, lines, status) => {
  const body = lines.some((it) => it.includes('chunked')) ? chunked(BODY) : BODY
  expect(await statuses(head(lines) + body)).toEqual([status])
  expect(records).toEqual([])
})

test('a body with a wrong signature head is not asked for', async () => {
  expect(await statuses(head([length(BODY), 'Expect: 100-continue']))).toEqual([401])
  expect(await statuses(head(['Content-Length: 5000000', signed(BODY), 'Expect: 100-continue']))).toEqual([
    413,
  ])
  expect(results).toEqual(['no-signature', 'too-large'])
})

test('a question is answered under the whole address too', async () => {
  const question = ['GET http://relay.example/intake/it HTTP/1.1', 'Host: relay.example', 'Connection: close']
  const asked = [...question, 'X-Okta-Verification-Challenge: abc', '', ''].join('\r\n')
  expect(await statuses(asked)).toEqual([200])
  expect(results).toEqual(['challenged'])
})

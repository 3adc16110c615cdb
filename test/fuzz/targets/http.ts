import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { retryAfterMs } from '../../../src/delivery/retry-policy.ts'
import { HttpServer } from '../../../src/http/http-server.ts'
import type { StatusPage } from '../../../src/status/status-page.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'

const noPage = {
  start: () => undefined,
  close: () => undefined,
  answer: () => false,
} as unknown as StatusPage
const noIssuers = { only: undefined, known: () => [], jwks: async () => undefined }
let listening: Promise<number> | undefined

function port(): Promise<number> {
  const status = { mode: 'live' as const, notReady: () => ({ kafka: 'away' }), issuers: noIssuers }
  listening ??= new HttpServer(new Metrics(), status, noPage).listen(0, '127.0.0.1')
  return listening
}

/** All that comes back for these bytes, after which nothing more is sent. */
async function answerTo(input: Buffer): Promise<string> {
  const socket = connect(await port(), '127.0.0.1')
  socket.end(input)
  return buffer(socket).then(
    (answer) => answer.toString('latin1'),
    (error: NodeJS.ErrnoException) => {
      // It need not read to the end what it does not want.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error
      return ''
    },
  )
}

const close = 'Host: localhost\r\nConnection: close\r\n'

export const httpTargets: readonly FuzzTarget[] = [
  {
    name: 'operator-port',
    samples: texts(
      ...['/livez', '/readyz?x=1', '/metrics', '/jwks.json', '/'].map(
        (path) => `GET ${path} HTTP/1.1\r\n${close}\r\n`,
      ),
      `POST /livez HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      `HEAD /metrics HTTP/1.1\r\n${close}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`,
    ),
    parse: async (input) => {
      const answers = (await answerTo(input)).split(/(?=HTTP\/1\.1 \d{3} )/)
      for (const answer of answers) {
        if (answer === '' || answer.startsWith('HTTP/1.1 100 ')) continue
        if (!/^HTTP\/1\.1 (200|400|404|405|408|413|417|421|431|503) /.test(answer))
          throw new Error(`answers ${answer.slice(0, 80)}`)
        if (!/^x-content-type-options: nosniff\r$/im.test(answer)) throw new Error('an answer without guards')
      }
      if (!(await answerTo(Buffer.from(`GET /livez HTTP/1.1\r\n${close}\r\n`))).endsWith('\r\nok\n')) {
        throw new Error('the port does not answer any more')
      }
      return answers.length
    },
  },
  {
    name: 'retry-after',
    samples: texts('120', ' 7 ', 'Wed, 21 Oct 2026 07:28:00 GMT', '2026-10-21T07:28:00Z'),
    parse: (input) => {
      const ms = retryAfterMs(input.toString('latin1'), 1_800_000_000_000)
      if (!(ms >= 0)) throw new Error(`${ms} is no delay`)
      return ms
    },
  },
]

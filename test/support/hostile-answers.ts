import { gzipSync } from 'node:zlib'
import { type Behaviour, drip, flood, onRequest } from './hostile-server.ts'

/** One way in which a relying party can be broken, or mean it, and what the relay has to make of it. */
export interface HostileAnswer {
  readonly name: string
  readonly behaviour: Behaviour
  /** The status that counts, or the code of the failure. */
  readonly means: number | RegExp
  /** It takes until the time-out to know. */
  readonly isSlow?: true
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
const PARSE_ERROR = /HTTPParserError|UND_ERR_RES_CONTENT_LENGTH_MISMATCH/
const TIMEOUT = /LR_ATTEMPT_TIMEOUT/
const RESET = /ECONNRESET|EPIPE|UND_ERR_SOCKET/
const HEAD_TOO_LONG = /UND_ERR_HEADERS_OVERFLOW/
const ANSWER_TOO_LONG = /LR_ANSWER_TOO_LONG/

const write = (text: string | Buffer): Behaviour => onRequest((socket) => socket.write(text))
const writeAndEnd = (text: string): Behaviour => onRequest((socket) => socket.end(text))
const writeAndReset = (text: string): Behaviour =>
  onRequest((socket) => socket.write(text, () => socket.resetAndDestroy()))
const writeAndFlood = (head: string, unit: string): Behaviour =>
  onRequest((socket) => {
    socket.write(head)
    flood(socket, unit)
  })
const json = (text: string): string =>
  `content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`

const slow = (name: string, means: number | RegExp, behaviour: Behaviour): HostileAnswer => ({
  name,
  means,
  behaviour,
  isSlow: true,
})
const fast = (name: string, means: number | RegExp, behaviour: Behaviour): HostileAnswer => ({
  name,
  means,
  behaviour,
})

const bomb = gzipSync(Buffer.alloc(16 * 1_024 * 1_024))

const silent: readonly HostileAnswer[] = [
  slow('accepted and never answered', TIMEOUT, (socket) => socket.resume()),
  slow('accepted and never read', TIMEOUT, (socket) => socket.pause()),
  slow(
    'a head of one byte now and then',
    TIMEOUT,
    onRequest((socket) => drip(socket, `${OK.slice(0, -4)}\r\nx: ${'x'.repeat(9_999)}`, 20)),
  ),
  slow(
    'interim answers now and then',
    TIMEOUT,
    onRequest((socket) => drip(socket, 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(500), 5)),
  ),
  slow(
    'a body of one byte now and then',
    200,
    onRequest((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n')
      drip(socket, 'x'.repeat(9_999), 20)
    }),
  ),
  slow('a body shorter than its length says', 200, write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nxx')),
  slow(
    'a body of 9,223,372,036,854,775,807 bytes',
    503,
    write('HTTP/1.1 503 X\r\ncontent-length: 9223372036854775807\r\n\r\nx'),
  ),
  slow('a head without its end', TIMEOUT, write(OK.slice(0, -2))),
  slow('an interim answer and no other', TIMEOUT, write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')),
]

const endless: readonly HostileAnswer[] = [
  fast('an endless body', 200, writeAndFlood('HTTP/1.1 200 OK\r\n\r\n', 'x')),
  fast(
    'an endless body of tiny chunks',
    503,
    writeAndFlood('HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n', '1\r\nx\r\n'),
  ),
  fast('an endless chunk extension', 200, writeAndFlood(`${CHUNKED}1;`, 'x')),
  fast('endless trailers', 200, writeAndFlood(`${CHUNKED}0\r\n`, 'a: b\r\n')),
  fast('an endless reason phrase', ANSWER_TOO_LONG, writeAndFlood('HTTP/1.1 200 ', 'x')),
  fast('endless empty lines', ANSWER_TOO_LONG, writeAndFlood('', '\r\n')),
  fast(
    'a storm of interim answers',
    ANSWER_TOO_LONG,
    writeAndFlood('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
  ),
  fast('a storm of 100 Continue', ANSWER_TOO_LONG, writeAndFlood('', 'HTTP/1.1 100 Continue\r\n\r\n')),
  fast('endless headers', HEAD_TOO_LONG, writeAndFlood('HTTP/1.1 200 OK\r\n', 'a: b\r\n')),
  fast('one header of 1 MB', HEAD_TOO_LONG, write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1_000_000)}\r\n\r\n`)),
  fast(
    'thousands of cookies',
    HEAD_TOO_LONG,
    write(`HTTP/1.1 200 OK\r\n${'set-cookie: a=b\r\n'.repeat(5_000)}\r\n`),
  ),
  fast('answers without end', 200, writeAndFlood('', OK)),
  fast(
    'a gzip bomb',
    403,
    write(
      Buffer.concat([
        Buffer.from(`HTTP/1.1 403 X\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`),
        bomb,
      ]),
    ),
  ),
]

const resets: readonly HostileAnswer[] = [
  fast('reset when accepted', RESET, (socket) => socket.resetAndDestroy()),
  fast('closed when accepted', RESET, (socket) => socket.destroy()),
  fast('ended when accepted', RESET, (socket) => socket.end()),
  fast('reset after half of the request', RESET, (socket) =>
    socket.once('readable', () => {
      socket.read(400)
      socket.resetAndDestroy()
    }),
  ),
  fast(
    'reset after the request',
    RESET,
    onRequest((socket) => socket.resetAndDestroy()),
  ),
  fast(
    'ended after the request',
    RESET,
    onRequest((socket) => socket.end()),
  ),
  fast('reset in the middle of the head', RESET, writeAndReset('HTTP/1.1 200 OK\r\nconte')),
  fast('ended in the middle of the head', RESET, writeAndEnd('HTTP/1.1 200 OK\r\nconte')),
  fast(
    'reset in the middle of the body',
    200,
    writeAndReset('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nxxx'),
  ),
  fast(
    'ended in the middle of the body',
    503,
    writeAndEnd('HTTP/1.1 503 X\r\ncontent-length: 10\r\n\r\nxxx'),
  ),
  fast('ended in the middle of a chunk', 200, writeAndEnd(`${CHUNKED}ff\r\nxxx`)),
  fast('reset after the answer', 200, writeAndReset(OK)),
  fast('reset after an interim answer', RESET, writeAndReset('HTTP/1.1 102 Processing\r\n\r\n')),
]

const malformed: readonly HostileAnswer[] = [
  fast('no head at all, as in HTTP/0.9', PARSE_ERROR, writeAndEnd('<html>done</html>')),
  fast('another protocol', PARSE_ERROR, writeAndEnd('SSH-2.0-OpenSSH_9.2\r\n')),
  fast('HTTP/2', PARSE_ERROR, write(Buffer.from('000000040000000000', 'hex'))),
  fast('noise', PARSE_ERROR, write(Buffer.from([...Array(255).keys()].reverse()))),
  fast(
    'two lengths',
    PARSE_ERROR,
    write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx'),
  ),
  fast(
    'a length and chunks',
    PARSE_ERROR,
    write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
  ),
  fast('a negative length', PARSE_ERROR, write('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n')),
  fast(
    'a length of 23 digits',
    PARSE_ERROR,
    write('HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n'),
  ),
  fast('more body than its length says', 200, write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxxxxx')),
  fast('chunks that are none', 200, write(`${CHUNKED}zz\r\n`)),
  fast(
    'chunks of an error that are none',
    503,
    write('HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n'),
  ),
  fast('a body where none may be', 204, write('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello')),
  fast(
    'an upgrade',
    RESET,
    write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81\x05hello',
    ),
  ),
  fast('101 to nothing', /LR_ANSWER_INVALID/, write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${OK}`)),
  fast('status 000', /LR_ANSWER_INVALID/, write('HTTP/1.1 000 X\r\ncontent-length: 0\r\n\r\n')),
  fast('status 999', 999, write('HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n')),
]

/** Odd, and still an answer. */
const odd: readonly HostileAnswer[] = [
  fast('100 Continue that nobody asked for', 200, write(`${CONTINUE}${OK}`)),
  fast('100 Continue, then a refusal', 403, write(`${CONTINUE}HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n`)),
  fast(
    '100 Continue, the answer later',
    200,
    onRequest((socket) => {
      socket.write(CONTINUE)
      setTimeout(() => socket.write(OK), 50)
    }),
  ),
  fast(
    '100 Continue with headers',
    200,
    write(`HTTP/1.1 100 Continue\r\ncontent-length: 7\r\nx: y\r\n\r\n${OK}`),
  ),
  fast(
    'interim answers of every kind, byte by byte',
    200,
    onRequest((socket) =>
      drip(
        socket,
        `${CONTINUE}HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${CONTINUE}HTTP/1.1 102 P\r\n\r\nHTTP/1.1 199 X\r\n\r\n${OK}`,
        1,
      ),
    ),
  ),
  fast(
    'thousands of interim answers, then one',
    200,
    write(`${'HTTP/1.1 102 P\r\n\r\n'.repeat(3_000)}${OK}`),
  ),
  fast(
    'hundreds of cookies',
    200,
    write(`HTTP/1.1 200 OK\r\n${'set-cookie: a=b\r\n'.repeat(900)}content-length: 0\r\n\r\n`),
  ),
  fast('an answer before the request was read', 200, (socket) => socket.write(OK)),
  fast('an answer and the end before the request was read', 200, (socket) => {
    socket.end(OK)
    socket.resume()
  }),
  fast('HTTP/1.0 without a length', 200, writeAndEnd('HTTP/1.0 200 OK\r\n\r\ndone')),
  fast('two answers', 200, write(`${OK}HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n`)),
  fast(
    'two different Retry-After',
    503,
    write('HTTP/1.1 503 X\r\nretry-after: 1\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n'),
  ),
  fast('JSON that is not an error', 403, write(`HTTP/1.1 403 X\r\n${json('{"error":{"toString":1}}')}`)),
]

export const hostileAnswers: readonly HostileAnswer[] = [
  ...silent,
  ...endless,
  ...resets,
  ...malformed,
  ...odd,
]

import type { IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import type { Readable } from 'node:stream'
import { tlsHandshake } from '../lib/connect-any.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { reachableAddress } from '../lib/reachable-address.ts'
import { serverName, withoutFinalDot } from '../lib/server-name.ts'

// Not imported: the module form of `node:http` loads all of fetch and WebSocket, 14 MB that are never used.
const { get: getHttp } = process.getBuiltinModule('node:http')

export type DocumentAnswer =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** The headers `Date` and `Age`, verbatim, if present. */
      readonly date?: string
      readonly age?: string
      readonly text: string
      /** When the request was sent and when the answer began. Milliseconds since the epoch. */
      readonly sentAtMs: number
      readonly answeredAtMs: number
    }
  | {
      readonly kind: 'unreachable'
      /** Node's code, or one of the relay's. */
      readonly code: string
      readonly message: string
    }

export interface DocumentLimits {
  /** From the name lookup to the end of the answer. */
  readonly timeoutMs: number
  readonly bytesMax: number
}

/** Who asks, and whom it trusts. */
export interface DocumentLogin {
  /** The header of that name. */
  readonly authorization?: string | undefined
  /** Certificate authorities as PEM, instead of those of Node.js. */
  readonly ca?: string | undefined
}

/**
 * Reads a document that the operator's own issuer or schema registry publishes. Follows no redirects. Never throws.
 *
 * Without the egress guard, which protects the operator's network from URIs that others choose. The operator configures these
 * servers, often at an address in that network.
 */
export function fetchDocument(
  uri: string,
  { timeoutMs, bytesMax }: DocumentLimits,
  { authorization, ca }: DocumentLogin = {},
): Promise<DocumentAnswer> {
  return new Promise((resolve) => {
    const fail = (code: string, message: string): void => {
      clearTimeout(timer)
      resolve({ kind: 'unreachable', code, message })
      request.destroy()
    }
    const sentAtMs = Date.now()
    // A separate connection that closes with the answer, since the document is read once.
    const { protocol, hostname, port } = new URL(uri)
    const isTls = protocol === 'https:'
    const host = withoutFinalDot(hostname)
    const named = { ...serverName(hostname.replace(/^\[|\]$/g, '')), ...(ca !== undefined && { ca }) }
    const options = {
      agent: false,
      headers: {
        host: port === '' ? host : `${host}:${port}`,
        accept: 'application/json',
        'user-agent': 'logout-relay',
        ...(authorization !== undefined && { authorization }),
      },
      lookup: reachableAddress({
        port: Number(port) || (isTls ? 443 : 80),
        timeoutMs,
        handshake: isTls ? tlsHandshake(named) : undefined,
      }),
      ...named,
    } as const
    const get = isTls ? getHttps : getHttp
    const request = get(uri, options, (response) => {
      const answeredAtMs = Date.now()
      const chunks: Buffer[] = []
      let bytes = 0
      const failed = (error: unknown): void => fail(codeOf(error) ?? 'UNKNOWN', messageOf(error))
      response.on('error', failed)
      const body = decoded(response)
      if (body === undefined) {
        fail('LR_ANSWER_INVALID', 'the answer is compressed in a way that was not asked for')
        return
      }
      if (body !== response)
        body.on('error', (error) =>
          fail('LR_ANSWER_INVALID', `the answer cannot be decompressed: ${messageOf(error)}`),
        )
      body.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= bytesMax) {
          chunks.push(chunk)
          return
        }
        fail('LR_BODY_TOO_LONG', `more than ${bytesMax} bytes`)
        body.destroy()
      })
      body.on('end', () => {
        clearTimeout(timer)
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ kind: 'answered', ...headOf(response), text, sentAtMs, answeredAtMs })
      })
    })
    request.on('error', (error) => fail(codeOf(error) ?? 'UNKNOWN', messageOf(error)))
    const timer = setTimeout(
      () => fail('LR_ATTEMPT_TIMEOUT', `no complete answer in ${timeoutMs} ms`),
      timeoutMs,
    )
  })
}

/** Some proxies compress whatever was asked for. The bound on bytes holds for what comes out. */
function decoded(response: IncomingMessage): Readable | undefined {
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === '') return response
  const { createBrotliDecompress, createGunzip, createInflate } = process.getBuiltinModule('node:zlib')
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return response.pipe(createGunzip())
    case 'deflate':
      return response.pipe(createInflate())
    case 'br':
      return response.pipe(createBrotliDecompress())
    default:
      return undefined
  }
}

function headOf({ statusCode = 0, headers: { date, age } }: IncomingMessage) {
  return { status: statusCode, ...(date !== undefined && { date }), ...(age !== undefined && { age }) }
}

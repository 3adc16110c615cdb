import { connect, type TLSSocket } from 'node:tls'
import { codeOf, messageOf } from '../lib/errors.ts'
import { serverName } from '../lib/server-name.ts'

export interface ShownCertificate {
  /** Its subject alternative names, or its common name. */
  readonly names: string
  /** The certificate authority that signed it. */
  readonly authority: string
  /** Milliseconds since the epoch. */
  readonly validToMs: number
}

export type HandshakeAnswer =
  | {
      readonly kind: 'established'
      readonly protocol: string
      readonly certificate: ShownCertificate
      /** Why an attempt would refuse the certificate; undefined if it would not. */
      readonly refusal: { readonly code: string; readonly message: string } | undefined
    }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

export interface HandshakeRequest {
  /** The checked address to connect to. */
  readonly address: string
  readonly port: number
  /** The URI's host, which the certificate must cover. */
  readonly hostname: string
  readonly timeoutMs: number
}

/** A certificate may have a hundred names. */
const NAMES_CHARACTERS_MAX = 120

/**
 * Completes a TLS handshake and disconnects, without HTTP. Reads an untrusted certificate too, to say what is wrong with it.
 * Never throws.
 */
export function tlsHandshake({
  address,
  port,
  hostname,
  timeoutMs,
}: HandshakeRequest): Promise<HandshakeAnswer> {
  return new Promise((resolve) => {
    const socket = connect({
      host: address,
      port,
      ...serverName(hostname),
      rejectUnauthorized: false,
    })
    const end = (answer: HandshakeAnswer): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end({ kind: 'failed', code: 'ETIMEDOUT', message: '' }), timeoutMs)
    socket.on('error', (error) =>
      end({ kind: 'failed', code: codeOf(error) ?? 'UNKNOWN', message: messageOf(error) }),
    )
    socket.on('secureConnect', () => end(established(socket)))
  })
}

function established(socket: TLSSocket): HandshakeAnswer {
  const { subject, issuer, subjectaltname, valid_to: validTo } = socket.getPeerCertificate()
  return {
    kind: 'established',
    protocol: socket.getProtocol() ?? 'unknown',
    certificate: {
      names: (subjectaltname ?? textOf(subject?.CN)).slice(0, NAMES_CHARACTERS_MAX),
      authority: textOf(issuer?.O ?? issuer?.CN),
      validToMs: Date.parse(validTo),
    },
    refusal: socket.authorized ? undefined : refusalOf(socket.authorizationError),
  }
}

/** A code for faults of the chain; an error with a code if the names do not match. The declared type is narrower. */
function refusalOf(error: unknown): { code: string; message: string } {
  const code = typeof error === 'string' ? error : (codeOf(error) ?? 'UNKNOWN')
  return { code, message: messageOf(error) }
}

/** A name may occur more than once. */
function textOf(name: string | string[] | undefined): string {
  return [name ?? []].flat().join(', ').slice(0, NAMES_CHARACTERS_MAX) || 'nobody'
}

import { codeOf, messageOf } from './errors.ts'

/** The options that a TLS connection is set up by, named as an operator finds them. */
export interface TlsOptionNames {
  readonly ca: string
  readonly cert: string
}

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
])

/** Why a TLS connection did not come about, and the mend; `undefined` for what has nothing to do with TLS. */
export function tlsRefusal(error: unknown, { ca, cert }: TlsOptionNames): string | undefined {
  const code = codeOf(error) ?? ''
  const message = messageOf(error)
  if (UNTRUSTED.has(code)) return `its certificate is not trusted (${code}); name its authority in ${ca}`
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired; renew it there'
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet; compare the clocks'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return 'its certificate is for another host name; connect by a name that the certificate holds'
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return 'it does not speak TLS on that port'
  }
  if (/alert (certificate required|handshake failure)/i.test(message)) {
    return `it wants a client certificate; set ${cert}, with its key`
  }
  if (
    /alert (bad certificate|unknown ca|certificate unknown|certificate expired|certificate revoked)/i.test(
      message,
    )
  ) {
    return `it does not accept the client certificate, or misses one (${code}); see ${cert}`
  }
  if (/key values mismatch/i.test(message)) return `the key does not belong to the certificate of ${cert}`
  return undefined
}

/** What went wrong on the way to a server, in words, by the code of the error. */
interface Explanation {
  readonly what: string
  readonly remedy: string
}

const reachRemedy =
  'see whether it runs, and whether firewalls and network policies let this machine reach it'
const chainRemedy =
  'let the server send its whole chain; for an authority of your own, name its certificate in NODE_EXTRA_CA_CERTS of the relay'

const explanations: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: { what: 'nothing listens there', remedy: reachRemedy },
  ETIMEDOUT: { what: 'nothing answers there', remedy: reachRemedy },
  EHOSTUNREACH: { what: 'there is no way to that host', remedy: reachRemedy },
  ENETUNREACH: { what: 'there is no way to that network', remedy: reachRemedy },
  ECONNRESET: {
    what: 'the connection was closed',
    remedy: 'see the log of that server, or of the proxy before it',
  },
  ENOTFOUND: {
    what: 'the name does not exist',
    remedy: 'correct the name, or the DNS that this machine asks',
  },
  EAI_AGAIN: {
    what: 'no name server answers',
    remedy: 'see to the DNS of this machine',
  },
  EMFILE: {
    what: 'this process has no file descriptor left',
    remedy: 'raise its limit (ulimit -n, LimitNOFILE), or see what holds them',
  },
  LR_LOCAL: {
    what: 'the attempt could not begin on this machine',
    remedy: 'see to the name servers in its /etc/resolv.conf',
  },
  LR_ATTEMPT_TIMEOUT: { what: 'no complete answer came in time', remedy: 'see what that server waits for' },
  LR_BODY_TOO_LONG: { what: 'the answer is longer than is read', remedy: 'see what that server sends' },
  CERT_HAS_EXPIRED: { what: 'its certificate has expired', remedy: 'renew it' },
  CERT_NOT_YET_VALID: {
    what: 'its certificate is not valid yet',
    remedy: 'compare the clocks of that server and of this machine',
  },
  DEPTH_ZERO_SELF_SIGNED_CERT: { what: 'its certificate is self-signed', remedy: chainRemedy },
  SELF_SIGNED_CERT_IN_CHAIN: { what: 'its authority is not one that is trusted', remedy: chainRemedy },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { what: 'an intermediate certificate is missing', remedy: chainRemedy },
  UNABLE_TO_GET_ISSUER_CERT: { what: 'an intermediate certificate is missing', remedy: chainRemedy },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    what: 'its authority is not one that is trusted, or an intermediate certificate is missing',
    remedy: chainRemedy,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    what: 'its certificate is for other names',
    remedy: 'give it a certificate for the name in the URI',
  },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    what: 'it does not speak TLS on that port',
    remedy: 'correct scheme or port',
  },
  EPROTO: {
    what: 'the TLS handshake fails',
    remedy: 'let it speak TLS 1.2 or newer, and see whether scheme and port are right',
  },
}

/** What an error's code means, the code included. An unknown code stands for itself, with what was said of it. */
export function networkFault(code: string, message = ''): Explanation {
  const known = explanations[code]
  if (known !== undefined) return { ...known, what: `${known.what} (${code})` }
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) {
    return { what: `the TLS handshake fails (${code})`, remedy: 'see how TLS is set up there' }
  }
  return { what: message === '' || message === code ? code : `${message} (${code})`, remedy: reachRemedy }
}

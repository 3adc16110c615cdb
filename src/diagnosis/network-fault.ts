import { codeOf, messageOf } from '../errors.ts'

/** The options that a TLS connection is set up by, named as an operator finds them. */
export interface TlsOptionNames {
  readonly ca: string
  /** Not set where the relay has no client certificate to show. */
  readonly cert?: string
}

interface Fault {
  /** By the code of an error or, where several things have one code, by what it says. */
  readonly is: readonly string[] | RegExp
  /** It lies in how TLS is set up, and stays until that is changed. */
  readonly isTls?: true
  readonly what: string
  readonly remedy: string | ((options: TlsOptionNames) => string)
}

const reach = 'see whether it runs, and whether firewalls and network policies let this machine reach it'
const trust = ({ ca }: TlsOptionNames) =>
  `let it send its whole chain; for an authority of your own, name its certificate in ${ca}`
const clientCertificate = ({ cert }: TlsOptionNames) =>
  cert === undefined
    ? 'let it ask the relay for none: the signed token is its protection'
    : `set ${cert}, with its key`

/** What can go wrong on the way to a server, first match first. */
const faults: readonly Fault[] = [
  { is: ['ECONNREFUSED'], what: 'nothing listens there', remedy: reach },
  { is: ['ETIMEDOUT'], what: 'nothing answers there', remedy: reach },
  { is: ['EHOSTUNREACH'], what: 'there is no way to that host', remedy: reach },
  { is: ['ENETUNREACH'], what: 'there is no way to that network', remedy: reach },
  {
    is: ['ECONNRESET'],
    what: 'the connection was closed',
    remedy: 'see the log of that server, or of the proxy before it',
  },
  {
    is: ['ENOTFOUND'],
    what: 'the name does not exist',
    remedy: 'correct the name, or the DNS that this machine asks',
  },
  { is: ['EAI_AGAIN'], what: 'no name server answers', remedy: 'see to the DNS of this machine' },
  {
    is: ['EMFILE'],
    what: 'this process has no file descriptor left',
    remedy: 'raise its limit (ulimit -n, LimitNOFILE), or see what holds them',
  },
  {
    is: ['LR_LOCAL'],
    what: 'the attempt could not begin on this machine',
    remedy: 'see to the name servers in its /etc/resolv.conf',
  },
  {
    is: ['LR_ATTEMPT_TIMEOUT'],
    what: 'no complete answer came in time',
    remedy: 'see what that server waits for',
  },
  {
    is: ['LR_BODY_TOO_LONG'],
    what: 'the answer is longer than is read',
    remedy: 'see what that server sends',
  },
  { is: ['CERT_HAS_EXPIRED'], isTls: true, what: 'its certificate has expired', remedy: 'renew it there' },
  {
    is: ['CERT_NOT_YET_VALID'],
    isTls: true,
    what: 'its certificate is not valid yet',
    remedy: 'compare the clocks of that server and of this machine',
  },
  {
    is: ['DEPTH_ZERO_SELF_SIGNED_CERT'],
    isTls: true,
    what: 'its certificate is not trusted: it is self-signed',
    remedy: trust,
  },
  {
    is: ['SELF_SIGNED_CERT_IN_CHAIN'],
    isTls: true,
    what: 'its certificate is not trusted: its authority is not known here',
    remedy: trust,
  },
  {
    is: ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT'],
    isTls: true,
    what: 'its certificate is not trusted: an intermediate certificate is missing',
    remedy: trust,
  },
  {
    is: ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_SIGNATURE_FAILURE'],
    isTls: true,
    what: 'its certificate is not trusted: its authority is not known here, or an intermediate certificate is missing',
    remedy: trust,
  },
  {
    is: ['ERR_TLS_CERT_ALTNAME_INVALID'],
    isTls: true,
    what: 'its certificate is for other names',
    remedy: 'connect by a name that it holds, or give it a certificate for this one',
  },
  {
    is: /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)|wrong version number|packet length too long/,
    isTls: true,
    what: 'it does not speak TLS on that port',
    remedy: 'correct scheme or port',
  },
  {
    is: /alert (certificate required|handshake failure)/i,
    isTls: true,
    what: 'it wants a client certificate, or a version of TLS that the relay does not speak',
    remedy: clientCertificate,
  },
  {
    is: /alert (bad certificate|unknown ca|certificate unknown|certificate expired|certificate revoked)/i,
    isTls: true,
    what: 'it does not accept the client certificate, or misses one',
    remedy: clientCertificate,
  },
  {
    is: /key values mismatch/i,
    isTls: true,
    what: 'the key does not belong to the client certificate',
    remedy: clientCertificate,
  },
  {
    is: ['EPROTO'],
    what: 'the TLS handshake fails',
    remedy: 'let it speak TLS 1.2 or newer, and see whether scheme and port are right',
  },
  { is: /^ERR_(SSL|TLS)/, what: 'the TLS handshake fails', remedy: 'see how TLS is set up there' },
]

export interface ExplainedFault {
  /** The code included. */
  readonly what: string
  readonly remedy: string
}

function faultOf(code: string, message: string): Fault | undefined {
  return faults.find(({ is }) =>
    is instanceof RegExp ? is.test(code) || is.test(message) : is.includes(code),
  )
}

function explain({ what, remedy }: Fault, code: string, options: TlsOptionNames): ExplainedFault {
  return {
    what: code === '' ? what : `${what} (${code})`,
    remedy: typeof remedy === 'string' ? remedy : remedy(options),
  }
}

/** What an error on the way to an RP or issuer means. An unknown code stands for itself, with what was said of it. */
export function networkFault(code: string, message = ''): ExplainedFault {
  const fault = faultOf(code, message)
  if (fault !== undefined) return explain(fault, code, { ca: 'NODE_EXTRA_CA_CERTS of the relay' })
  return { what: message === '' || message === code ? code : `${message} (${code})`, remedy: reach }
}

/** Why a TLS connection did not come about, with the remedy; `undefined` for what has nothing to do with TLS. */
export function tlsRefusal(error: unknown, options: TlsOptionNames): string | undefined {
  const code = codeOf(error) ?? ''
  const fault = faultOf(code, messageOf(error))
  if (fault?.isTls !== true) return undefined
  const { what, remedy } = explain(fault, code, options)
  return `${what}; ${remedy}`
}

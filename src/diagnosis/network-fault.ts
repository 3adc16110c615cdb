import { codeOf, messageOf } from '../lib/errors.ts'

/** The options that a TLS connection is set up by, named as an operator finds them. */
export interface TlsOptionNames {
  readonly ca: string
  /** Not set where the relay has no client certificate to show. */
  readonly cert?: string
}

type Remedy = string | ((options: TlsOptionNames) => string)
/** By the code of an error or, where several things have one code, by what it says. */
type Fault = readonly [is: readonly string[] | RegExp, what: string, remedy: Remedy]

const reach = 'check that the server runs, and that firewalls and network policies let this machine reach it'
const untrusted = 'its certificate is not trusted'
const trust: Remedy = ({ ca }) =>
  `configure the server to send its whole chain; for an authority of your own, set ${ca}`
const clientCertificate: Remedy = ({ cert }) =>
  cert === undefined
    ? 'configure the server to ask for none: the signed token is its protection'
    : `set ${cert} and its key`

/** What lies in how TLS is set up, and stays until that is changed. */
const tlsFaults: readonly Fault[] = [
  [['CERT_HAS_EXPIRED'], 'its certificate has expired', 'renew the certificate of the server'],
  [
    ['CERT_NOT_YET_VALID'],
    'its certificate is not valid yet',
    'compare the clocks of the server and this machine',
  ],
  [['DEPTH_ZERO_SELF_SIGNED_CERT'], `${untrusted}: it is self-signed`, trust],
  [['SELF_SIGNED_CERT_IN_CHAIN'], `${untrusted}: its authority is not known here`, trust],
  [
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT'],
    `${untrusted}: an intermediate certificate is missing`,
    trust,
  ],
  [
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_SIGNATURE_FAILURE'],
    `${untrusted}: its authority is not known here, or an intermediate certificate is missing`,
    trust,
  ],
  [
    ['ERR_TLS_CERT_ALTNAME_INVALID'],
    'its certificate is for other names',
    'use a name that it contains, or give the server a certificate for this one',
  ],
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)|wrong version number|packet length too long/,
    'it does not speak TLS on that port',
    'correct the scheme or the port',
  ],
  [
    /alert (certificate required|handshake failure)/i,
    'it requires a client certificate, or a TLS version that the relay does not support',
    clientCertificate,
  ],
  [
    /alert (bad certificate|unknown ca|certificate unknown|certificate expired|certificate revoked)/i,
    'it rejects the client certificate, or requires one',
    clientCertificate,
  ],
  [/key values mismatch/i, 'the key does not belong to the client certificate', clientCertificate],
]

/** What can go wrong on the way to a server, first match first. */
const faults: readonly Fault[] = [
  [['ECONNREFUSED'], 'nothing listens there', reach],
  [['ETIMEDOUT'], 'nothing answers there', reach],
  [['EHOSTUNREACH'], 'there is no route to that host', reach],
  [['ENETUNREACH'], 'there is no route to that network', reach],
  [
    ['ECONNRESET'],
    'the connection was closed',
    'read the log of that server, or of the proxy in front of it',
  ],
  [['ENOTFOUND'], 'the name does not exist', 'correct the name, or the DNS of this machine'],
  [['EAI_AGAIN'], 'no name server answers', 'check the DNS of this machine'],
  [
    ['EMFILE'],
    'this process has no file descriptors left',
    'raise its limit (ulimit -n, LimitNOFILE), or find out what holds them',
  ],
  [
    ['LR_LOCAL'],
    'the attempt could not start on this machine',
    'check the name servers in its /etc/resolv.conf',
  ],
  [['LR_ATTEMPT_TIMEOUT'], 'no complete answer came in time', 'find out what that server waits for'],
  [
    ['LR_ANSWER_INVALID'],
    'its answer cannot be read',
    'read the log of that server, or of the proxy in front of it',
  ],
  [['LR_BODY_TOO_LONG'], 'the answer is too long', 'check what that server sends'],
  ...tlsFaults,
  [
    ['EPROTO'],
    'the TLS handshake fails',
    'enable TLS 1.2 or newer on the server, and check the scheme and the port',
  ],
  [/^ERR_(SSL|TLS)/, 'the TLS handshake fails', 'check the TLS settings of the server'],
]

/** The code included. */
type ExplainedFault = Readonly<Record<'what' | 'remedy', string>>

function explained(
  among: readonly Fault[],
  code: string,
  message: string,
  options: TlsOptionNames,
): ExplainedFault | undefined {
  const fault = among.find(([is]) =>
    is instanceof RegExp ? is.test(code) || is.test(message) : is.includes(code),
  )
  if (fault === undefined) return undefined
  const [, what, remedy] = fault
  return {
    what: code === '' ? what : `${what} (${code})`,
    remedy: typeof remedy === 'string' ? remedy : remedy(options),
  }
}

/** What an error on the way to an RP, an issuer or a schema registry means. An unknown code stands for itself, with what was said of it. */
export function networkFault(
  code: string,
  message = '',
  options: TlsOptionNames = { ca: 'NODE_EXTRA_CA_CERTS of the relay' },
): ExplainedFault {
  const what = message === '' || message === code ? code : `${message} (${code})`
  return explained(faults, code, message, options) ?? { what, remedy: reach }
}

/** Why a TLS connection did not come about, with the remedy; `undefined` for what has nothing to do with TLS. */
export function tlsRefusal(error: unknown, options: TlsOptionNames): string | undefined {
  const fault = explained(tlsFaults, codeOf(error) ?? '', messageOf(error), options)
  return fault && `${fault.what}; ${fault.remedy}`
}

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

const reach = 'see whether it runs, and whether firewalls and network policies let this machine reach it'
const untrusted = 'its certificate is not trusted'
const trust: Remedy = ({ ca }) =>
  `let it send its whole chain; for an authority of your own, name its certificate in ${ca}`
const clientCertificate: Remedy = ({ cert }) =>
  cert === undefined
    ? 'let it ask the relay for none: the signed token is its protection'
    : `set ${cert}, with its key`

/** What lies in how TLS is set up, and stays until that is changed. */
const tlsFaults: readonly Fault[] = [
  [['CERT_HAS_EXPIRED'], 'its certificate has expired', 'renew it there'],
  [
    ['CERT_NOT_YET_VALID'],
    'its certificate is not valid yet',
    'compare the clocks of that server and of this machine',
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
    'connect by a name that it holds, or give it a certificate for this one',
  ],
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)|wrong version number|packet length too long/,
    'it does not speak TLS on that port',
    'correct scheme or port',
  ],
  [
    /alert (certificate required|handshake failure)/i,
    'it wants a client certificate, or a version of TLS that the relay does not speak',
    clientCertificate,
  ],
  [
    /alert (bad certificate|unknown ca|certificate unknown|certificate expired|certificate revoked)/i,
    'it does not accept the client certificate, or misses one',
    clientCertificate,
  ],
  [/key values mismatch/i, 'the key does not belong to the client certificate', clientCertificate],
]

/** What can go wrong on the way to a server, first match first. */
const faults: readonly Fault[] = [
  [['ECONNREFUSED'], 'nothing listens there', reach],
  [['ETIMEDOUT'], 'nothing answers there', reach],
  [['EHOSTUNREACH'], 'there is no way to that host', reach],
  [['ENETUNREACH'], 'there is no way to that network', reach],
  [['ECONNRESET'], 'the connection was closed', 'see the log of that server, or of the proxy before it'],
  [['ENOTFOUND'], 'the name does not exist', 'correct the name, or the DNS that this machine asks'],
  [['EAI_AGAIN'], 'no name server answers', 'see to the DNS of this machine'],
  [
    ['EMFILE'],
    'this process has no file descriptor left',
    'raise its limit (ulimit -n, LimitNOFILE), or see what holds them',
  ],
  [
    ['LR_LOCAL'],
    'the attempt could not begin on this machine',
    'see to the name servers in its /etc/resolv.conf',
  ],
  [['LR_ATTEMPT_TIMEOUT'], 'no complete answer came in time', 'see what that server waits for'],
  [['LR_BODY_TOO_LONG'], 'the answer is longer than is read', 'see what that server sends'],
  ...tlsFaults,
  [
    ['EPROTO'],
    'the TLS handshake fails',
    'let it speak TLS 1.2 or newer, and see whether scheme and port are right',
  ],
  [/^ERR_(SSL|TLS)/, 'the TLS handshake fails', 'see how TLS is set up there'],
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

/** What an error on the way to an RP or issuer means. An unknown code stands for itself, with what was said of it. */
export function networkFault(code: string, message = ''): ExplainedFault {
  const what = message === '' || message === code ? code : `${message} (${code})`
  const options = { ca: 'NODE_EXTRA_CA_CERTS of the relay' }
  return explained(faults, code, message, options) ?? { what, remedy: reach }
}

/** Why a TLS connection did not come about, with the remedy; `undefined` for what has nothing to do with TLS. */
export function tlsRefusal(error: unknown, options: TlsOptionNames): string | undefined {
  const fault = explained(tlsFaults, codeOf(error) ?? '', messageOf(error), options)
  return fault && `${fault.what}; ${fault.remedy}`
}

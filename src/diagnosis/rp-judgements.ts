import type { EgressGuard } from '../egress/egress-guard.ts'
import type { AttemptResult } from '../egress/sender.ts'
import type { HandshakeAnswer, ShownCertificate } from '../egress/tls-handshake.ts'
import { messageOf } from '../errors.ts'
import { durationText } from '../lib/duration-text.ts'
import { type Judgement, ok, problem, unknown, warning } from './judgement.ts'
import { networkFault } from './network-fault.ts'

const DAY_MS = 86_400_000
const CERTIFICATE_MS_MIN = 14 * DAY_MS

/** Whether the relay may connect to an address of the RP. */
export function judgeAddress(guard: EgressGuard, hostname: string, address: string): Judgement {
  try {
    guard.checkAddress(address, hostname)
    if (guard.isHostAllowed(hostname)) return ok(`${address}: ${hostname} is allowed by EGRESS_ALLOW`)
    return ok(`${address} may be connected to`)
  } catch (error) {
    const names = [...new Set(guard.isOpenedByName(address) ? [address, hostname] : [address])]
    return problem(
      `the egress guard refuses: ${messageOf(error)}`,
      `if it is meant, add ${names.join(' or ')} to EGRESS_ALLOW; else see who registered this URI`,
    )
  }
}

export function judgeHandshake(answer: HandshakeAnswer): Judgement {
  if (answer.kind === 'failed') {
    const { what, mend } = networkFault(answer.code, answer.message)
    return problem(`no TLS: ${what}`, mend)
  }
  const { protocol, refusal, certificate } = answer
  const shown = `${protocol}, certificate for ${certificate.names}, signed by ${certificate.authority}`
  if (refusal === undefined) return ok(shown)
  const { what, mend } = networkFault(refusal.code, refusal.message)
  return problem(`${what}: every attempt fails (${shown})`, mend)
}

export function judgeExpiry({ validToMs }: ShownCertificate, nowMs: number): Judgement {
  if (Number.isNaN(validToMs)) return unknown('it shows no certificate')
  const leftMs = validToMs - nowMs
  const date = new Date(validToMs).toISOString().slice(0, 10)
  const mend = 'renew it; see why that is not done by itself'
  if (leftMs <= 0) return problem(`the certificate was valid until ${date}`, mend)
  const text = `the certificate is valid until ${date}, for ${durationText(leftMs - (leftMs % (DAY_MS / 24)))}`
  return leftMs < CERTIFICATE_MS_MIN ? warning(text, mend) : ok(text)
}

type Answered = Extract<AttemptResult, { kind: 'answered' }>

/** What the RP makes of a POST with an empty `logout_token`, which must end no session: 400 is what it should say. */
export function judgeAnswer(result: AttemptResult): Judgement {
  switch (result.kind) {
    case 'answered':
      return judgeStatus(result)
    case 'unreachable': {
      const { what, mend } = networkFault(result.code, result.message)
      return problem(`no answer: ${what}`, mend)
    }
    case 'blocked':
      return problem(result.message, 'see the row of the egress guard')
    default:
      return result satisfies never
  }
}

const uriMend = 'correct the back-channel logout URI of this RP where it is registered'

function judgeStatus({ status }: Answered): Judgement {
  const to = `${status} to a request without a token`
  if (status === 400) return ok('answers, 400 to a request without a token, as it should')
  if (status === 200 || status === 204) {
    return warning(
      `${to}: this RP does not validate, or something else answers in its place; a 200 from it proves nothing`,
      'see whether the URI is that of the logout endpoint; let it answer 400 to what is not a valid logout token',
    )
  }
  if (status >= 300 && status < 400) {
    return problem(
      `${to}: it redirects, to a login perhaps; redirects are not followed, so a logout ends as rejected`,
      'register the URI that answers itself; take the endpoint out of what needs a login',
    )
  }
  const known = explained[status]
  if (known !== undefined) return known(to)
  if (status >= 500) {
    return warning(
      `${to}: it fails where it should answer 400; if it does so to real tokens they are tried again until the deadline`,
      'see the log of the RP',
    )
  }
  if (status >= 400) {
    return warning(
      `${to}: it should answer 400; a real token that it answers so ends as rejected at once`,
      'let it answer 400 to what it refuses',
    )
  }
  return warning(
    `${to}: that counts as rejected for a real token`,
    'let it answer 200 or 204 when it has accepted a logout',
  )
}

const explained: Readonly<Record<number, (to: string) => Judgement>> = {
  401: wantsCredentials,
  403: wantsCredentials,
  407: wantsCredentials,
  404: (to) => problem(`${to}: there is nothing at this path; a logout ends as rejected at once`, uriMend),
  410: (to) => problem(`${to}: the endpoint was taken away; a logout ends as rejected at once`, uriMend),
  405: (to) => problem(`${to}: it takes no POST, so it is no back-channel logout endpoint`, uriMend),
  415: (to) =>
    problem(`${to}: it takes no application/x-www-form-urlencoded, which logout tokens come as`, uriMend),
  429: (to) =>
    warning(
      `${to}: it limits requests; logouts are tried again later`,
      'let it not limit the relay, or more generously',
    ),
  501: (to) => problem(`${to}: it does not support back-channel logout`, 'see to its version and settings'),
  502: isAway,
  503: isAway,
  504: isAway,
}

function wantsCredentials(to: string): Judgement {
  return problem(
    `${to}: something before it wants credentials, and the relay has none; a logout ends as rejected at once`,
    'take the endpoint out of what needs a login or an API key: the signed token is its protection',
  )
}

function isAway(to: string): Judgement {
  return problem(
    `${to}: a proxy answers for an application that is away; logouts are tried again until the deadline`,
    'see to the application behind it',
  )
}

import type { EgressGuard } from '../egress/egress-guard.ts'
import type { AttemptResult } from '../egress/sender.ts'
import type { HandshakeAnswer, ShownCertificate } from '../egress/tls-handshake.ts'
import { durationText } from '../lib/duration-text.ts'
import { messageOf } from '../lib/errors.ts'
import type { RpSettings } from '../registry/rp-settings.ts'
import { error, type Found, ok, unknown, warning } from './finding.ts'
import { networkFault } from './network-fault.ts'
import { shownUri } from './shown-uri.ts'

const DAY_MS = 86_400_000
const CERTIFICATE_MS_MIN = 14 * DAY_MS

/** Whether the relay may connect to an address of the RP. */
export function checkAddress(guard: EgressGuard, hostname: string, address: string): Found {
  try {
    guard.checkAddress(address, hostname)
    if (guard.isHostAllowed(hostname)) return ok(`${address}: ${hostname} is allowed by EGRESS_ALLOW`)
    return ok(`${address} may be connected to`)
  } catch (refusal) {
    const names = [...new Set(guard.isOpenedByName(address) ? [address, hostname] : [address])]
    return error(
      `the egress guard refuses: ${messageOf(refusal)}`,
      `if it is meant, add ${names.join(' or ')} to EGRESS_ALLOW; else see who registered this URI`,
    )
  }
}

export function checkHandshake(answer: HandshakeAnswer): Found {
  if (answer.kind === 'failed') {
    const { what, remedy } = networkFault(answer.code, answer.message)
    return error(`no TLS: ${what}`, remedy)
  }
  const { protocol, refusal, certificate } = answer
  const shown = `${protocol}, certificate for ${certificate.names}, signed by ${certificate.authority}`
  if (refusal === undefined) return ok(shown)
  const { what, remedy } = networkFault(refusal.code, refusal.message)
  return error(`${what}: attempts there fail (${shown})`, remedy)
}

export function checkExpiry({ validToMs }: ShownCertificate, nowMs: number): Found {
  if (Number.isNaN(validToMs)) return unknown('it shows no certificate')
  const leftMs = validToMs - nowMs
  const date = new Date(validToMs).toISOString().slice(0, 10)
  const remedy = 'renew it; see why that is not done by itself'
  if (leftMs <= 0) return error(`the certificate was valid until ${date}`, remedy)
  const text = `the certificate is valid until ${date}, for ${durationText(leftMs - (leftMs % (DAY_MS / 24)))}`
  return leftMs < CERTIFICATE_MS_MIN ? warning(text, remedy) : ok(text)
}

type Answered = Extract<AttemptResult, { kind: 'answered' }>

/** What the RP makes of a POST with an empty `logout_token`, which must end no session: 400 is what it should say. */
export function checkAnswer(result: AttemptResult): Found {
  switch (result.kind) {
    case 'answered':
      return checkStatus(result)
    case 'unreachable': {
      const { what, remedy } = networkFault(result.code, result.message)
      return error(`no answer: ${what}`, remedy)
    }
    case 'blocked':
      return error(result.message, 'see the row of the egress guard')
    default:
      return result satisfies never
  }
}

const uriRemedy = 'correct the back-channel logout URI of this RP where it is registered'

function checkStatus({ status }: Answered): Found {
  const to = `${status} to a request without a token`
  if (status === 400) return ok('answers, 400 to a request without a token, as it should')
  if (status === 200 || status === 204) {
    return warning(
      `${to}: this RP does not validate, or something else answers in its place; a 200 from it proves nothing`,
      'see whether the URI is that of the logout endpoint; let it answer 400 to what is not a valid logout token',
    )
  }
  if (status >= 300 && status < 400) {
    return error(
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

const explained: Readonly<Record<number, (to: string) => Found>> = {
  401: wantsCredentials,
  403: wantsCredentials,
  407: wantsCredentials,
  404: (to) => error(`${to}: there is nothing at this path; a logout ends as rejected at once`, uriRemedy),
  410: (to) => error(`${to}: the endpoint was taken away; a logout ends as rejected at once`, uriRemedy),
  405: (to) => error(`${to}: it takes no POST, so it is no back-channel logout endpoint`, uriRemedy),
  415: (to) =>
    error(`${to}: it takes no application/x-www-form-urlencoded, which logout tokens come as`, uriRemedy),
  429: (to) =>
    warning(
      `${to}: it limits requests; logouts are tried again later`,
      'let it not limit the relay, or more generously',
    ),
  501: (to) => error(`${to}: it does not support back-channel logout`, 'see to its version and settings'),
  502: isAway,
  503: isAway,
  504: isAway,
}

function wantsCredentials(to: string): Found {
  return error(
    `${to}: something before it wants credentials, and the relay has none; a logout ends as rejected at once`,
    'take the endpoint out of what needs a login or an API key: the signed token is its protection',
  )
}

function isAway(to: string): Found {
  return error(
    `${to}: a proxy answers for an application that is away; logouts are tried again until the deadline`,
    'see to the application behind it',
  )
}

/** Settings of an RP in Redis win over its registrations, so they may send its logouts elsewhere. */
export function checkRpSettings(
  clientId: string,
  uri: string,
  settings: RpSettings,
  invalid: readonly string[],
): Found {
  if (invalid.length > 0) {
    return error(
      `settings of ${clientId} in Redis are wrong and ignored: ${invalid.join('; ')}`,
      'correct or remove these fields of its lr:client key',
    )
  }
  const { backchannelLogoutUri, typ, ...rest } = settings
  if (backchannelLogoutUri !== undefined && backchannelLogoutUri !== uri) {
    return warning(
      `its settings in Redis send the logouts of ${clientId} to ${shownUri(backchannelLogoutUri)}, not to ${shownUri(uri)}`,
      'run the doctor with that URI; correct or remove backchannelLogoutUri of its lr:client key if it is out of date',
    )
  }
  if (typ !== undefined && typ !== 'logout+jwt') {
    return warning(
      `its settings in Redis name a typ for ${clientId}, which has no effect`,
      'list the client in TOKEN_TYPE_JWT_CLIENTS if its RP takes nothing but JWT; remove typ of its lr:client key',
    )
  }
  const fields = Object.entries({
    ...rest,
    ...(backchannelLogoutUri !== undefined && { backchannelLogoutUri: 'this one' }),
  })
  if (fields.length === 0) return ok(`Redis holds no settings of ${clientId}: its registrations decide`)
  return ok(`${clientId}: ${fields.map(([name, value]) => `${name} ${value}`).join(', ')}`)
}

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
    return ok(`${address} is allowed`)
  } catch (refusal) {
    const names = [...new Set(guard.isOpenedByName(address) ? [address, hostname] : [address])]
    return error(
      `the egress guard refuses: ${messageOf(refusal)}`,
      `add ${names.join(' or ')} to EGRESS_ALLOW if it is right; else find out who registered this URI`,
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
  if (Number.isNaN(validToMs)) return unknown('the server sends no certificate')
  const leftMs = validToMs - nowMs
  const date = new Date(validToMs).toISOString().slice(0, 10)
  const remedy = 'renew it; find out why it was not renewed automatically'
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
      return error(result.message, 'read the finding of the egress guard')
    default:
      return result satisfies never
  }
}

const uriRemedy = 'correct the registered back-channel logout URI of this RP'

function checkStatus({ status }: Answered): Found {
  const to = `${status} to a request without a token`
  if (status === 400) return ok('400 to a request without a token, as expected')
  if (status === 200 || status === 204) {
    return warning(
      `${to}: this RP does not validate tokens, or another server answers; its 200 proves nothing`,
      'check that the URI is the logout endpoint; configure it to answer 400 to an invalid logout token',
    )
  }
  if (status >= 300 && status < 400) {
    return error(
      `${to}: it redirects, perhaps to a login; the relay follows no redirects, so a logout ends as rejected`,
      'register the final URI; exempt the endpoint from login',
    )
  }
  const known = explained[status]
  if (known !== undefined) return known(to)
  if (status >= 500) {
    return warning(
      `${to}: it should answer 400; the relay retries such logouts until the deadline`,
      'read the log of the RP',
    )
  }
  if (status >= 400) {
    return warning(
      `${to}: it should answer 400; a logout with this answer ends as rejected at once`,
      'configure it to answer 400 to invalid tokens',
    )
  }
  return warning(
    `${to}: a logout with this answer ends as rejected`,
    'configure it to answer 200 or 204 to an accepted logout',
  )
}

const explained: Readonly<Record<number, (to: string) => Found>> = {
  401: wantsCredentials,
  403: wantsCredentials,
  407: wantsCredentials,
  404: (to) =>
    error(`${to}: there is no endpoint at this path; a logout ends as rejected at once`, uriRemedy),
  410: (to) => error(`${to}: the endpoint was removed; a logout ends as rejected at once`, uriRemedy),
  405: (to) => error(`${to}: it accepts no POST, so it is not a back-channel logout endpoint`, uriRemedy),
  415: (to) =>
    error(
      `${to}: it does not accept application/x-www-form-urlencoded, the form of logout tokens`,
      uriRemedy,
    ),
  429: (to) =>
    warning(`${to}: it limits requests; the relay retries later`, 'raise its rate limit for the relay'),
  501: (to) => error(`${to}: it does not support back-channel logout`, 'check its version and settings'),
  502: isAway,
  503: isAway,
  504: isAway,
}

function wantsCredentials(to: string): Found {
  return error(
    `${to}: a server in front of it requires credentials, and the relay has none; a logout ends as rejected at once`,
    'exempt the endpoint from login and API keys: the signed token is its protection',
  )
}

function isAway(to: string): Found {
  return error(
    `${to}: a proxy answers for an application that is down; the relay retries logouts until the deadline`,
    'start or fix the application behind the proxy',
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
      `invalid settings of ${clientId} in Redis are ignored: ${invalid.join('; ')}`,
      'correct or remove these fields in its lr:client key',
    )
  }
  const { backchannelLogoutUri, typ, ...rest } = settings
  if (backchannelLogoutUri !== undefined && backchannelLogoutUri !== uri) {
    return warning(
      `settings of ${clientId} in Redis send its logouts to ${shownUri(backchannelLogoutUri)}, not to ${shownUri(uri)}`,
      'run logout-relay doctor with that URI; if it is outdated, correct or remove backchannelLogoutUri in its lr:client key',
    )
  }
  if (typ !== undefined && typ !== 'logout+jwt') {
    return warning(
      `typ in the settings of ${clientId} in Redis has no effect`,
      'list the client in TOKEN_TYPE_JWT_CLIENTS if its RP accepts only JWT; remove typ from its lr:client key',
    )
  }
  const fields = Object.entries({
    ...rest,
    ...(backchannelLogoutUri !== undefined && { backchannelLogoutUri: 'this one' }),
  })
  if (fields.length === 0) return ok(`Redis has no settings of ${clientId}: its registrations apply`)
  return ok(`${clientId}: ${fields.map(([name, value]) => `${name} ${value}`).join(', ')}`)
}

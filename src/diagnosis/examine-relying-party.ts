import { isIP } from 'node:net'
import type { EgressGuard } from '../egress/egress-guard.ts'
import type { AttemptResult } from '../egress/sender.ts'
import type { HandshakeAnswer } from '../egress/tls-handshake.ts'
import { endpointProblem, type LogoutEndpoint, logoutEndpoint } from '../events/logout-endpoint.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import type { TcpAnswer } from '../lib/tcp-connect.ts'
import { Examination, type ExaminedFinding } from './examination.ts'
import { error, type Found, measuredText, ok, warning } from './finding.ts'
import { networkFault } from './network-fault.ts'
import { checkAddress, checkAnswer, checkExpiry, checkHandshake } from './relying-party.ts'
import { shownUri } from './shown-uri.ts'

/** A name may have many addresses; each costs a connection. */
const ADDRESSES_MAX = 8

export interface RelyingPartyExamination {
  readonly uri: string
  readonly guard: EgressGuard
  readonly nowMs: number
  /** All addresses of a name. Throws with the resolver's code. */
  readonly resolve: (hostname: string) => Promise<readonly string[]>
  readonly connect: (address: string, port: number) => Promise<TcpAnswer>
  readonly shakeHands: (address: string, port: number, hostname: string) => Promise<HandshakeAnswer>
  /** Posts a logout without a token, in the way in which attempts are made. */
  readonly ask: (endpoint: LogoutEndpoint) => Promise<AttemptResult>
  /** What Redis says of the RP that was named, where one was. Never throws. */
  readonly settings?: () => Promise<Found>
}

/** Goes the way of a delivery step by step, up to an answer. Never throws. */
export async function examineRelyingParty(
  examination: RelyingPartyExamination,
): Promise<readonly ExaminedFinding[]> {
  const { uri, settings } = examination
  const notes = new Examination('relying-party')
  const fault = endpointProblem(uri)
  if (settings !== undefined) notes.note('rp-settings', await settings())
  if (fault === undefined) {
    notes.note('rp-uri', ok(shownUri(uri)))
    const why = await goThere(new URL(uri), examination, notes)
    notes.noteUnknown(why, unknownAfter(settings !== undefined, uri))
  } else {
    notes.note(
      'rp-uri',
      error(
        `the URI ${fault}, so a registration with it is a poison record`,
        'correct --rp or the registration',
      ),
    )
    notes.noteUnknown('the URI cannot be used', unknownAfter(settings !== undefined, 'https:'))
  }
  return notes.all
}

/** The steps that a URI of this kind has. */
function unknownAfter(hasSettings: boolean, uri: string) {
  return [
    ...(hasSettings ? (['rp-settings'] as const) : []),
    ...(['rp-resolves', 'rp-egress', 'rp-connects'] as const),
    ...(/^https:/i.test(uri) ? (['rp-tls', 'rp-certificate'] as const) : []),
    'rp-answer' as const,
  ]
}

/** Returns why it came no further; what came before that is noted. */
async function goThere(url: URL, examination: RelyingPartyExamination, notes: Examination): Promise<string> {
  const { guard, ask, uri } = examination
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await examineName(hostname, examination, notes)
  if (addresses.length === 0) return 'the name has no address'
  const permitted = examineGuard(url, hostname, addresses, guard, notes)
  if (permitted.length === 0) return 'the egress guard refuses it'
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  const reached = await examineConnections(permitted, port, examination, notes)
  if (reached.length === 0) return 'no address accepts connections'
  if (url.protocol === 'https:' && !(await examineTls(reached, port, hostname, examination, notes))) {
    return 'no address offers TLS that the relay accepts'
  }
  notes.note('rp-answer', checkAnswer(await ask(logoutEndpoint(uri))))
  return ''
}

async function examineName(
  hostname: string,
  { resolve }: RelyingPartyExamination,
  notes: Examination,
): Promise<readonly string[]> {
  if (isIP(hostname) !== 0) {
    notes.note('rp-resolves', ok(`${hostname} is an address`))
    return [hostname]
  }
  try {
    const addresses = await resolve(hostname)
    const more = addresses.length > ADDRESSES_MAX ? ` and ${addresses.length - ADDRESSES_MAX} more` : ''
    const shown = addresses.slice(0, ADDRESSES_MAX)
    notes.note('rp-resolves', ok(`${hostname}: ${shown.join(', ')}${more}`))
    return shown
  } catch (reason) {
    const { what, remedy } = networkFault(codeOf(reason) ?? 'UNKNOWN', messageOf(reason))
    notes.note('rp-resolves', error(`${hostname}: ${what}`, remedy))
    return []
  }
}

/** The addresses that an attempt may go to. */
function examineGuard(
  { protocol }: URL,
  hostname: string,
  addresses: readonly string[],
  guard: EgressGuard,
  notes: Examination,
): string[] {
  const checked = addresses.map((address) => ({ address, found: checkAddress(guard, hostname, address) }))
  const permitted = checked.filter(({ found }) => found.severity === 'ok').map(({ address }) => address)
  for (const { address, found } of checked) {
    // An attempt takes another address then.
    const isPassedOver = found.severity === 'error' && permitted.length > 0
    notes.note('rp-egress', isPassedOver ? { ...found, severity: 'warning' } : found, address)
  }
  try {
    guard.checkProtocol(protocol)
  } catch (refusal) {
    const remedy = 'register an https URI, or set EGRESS_ALLOW_HTTP on a trusted network'
    notes.note('rp-egress', error(`the egress guard refuses: ${messageOf(refusal)}`, remedy), protocol)
    return []
  }
  if (protocol === 'http:') {
    const text = 'http, allowed by EGRESS_ALLOW_HTTP: the network sees who is logged out'
    notes.note('rp-egress', warning(text, 'register an https URI'), protocol)
  }
  return permitted
}

/** The addresses that take a connection. */
async function examineConnections(
  addresses: readonly string[],
  port: number,
  { connect }: RelyingPartyExamination,
  notes: Examination,
): Promise<string[]> {
  const answers = await Promise.all(addresses.map((address) => connect(address, port)))
  const reached = addresses.filter((_, i) => answers[i]?.kind === 'connected')
  for (const [i, address] of addresses.entries()) {
    const answer = answers[i] as TcpAnswer
    if (answer.kind === 'connected') {
      notes.note(
        'rp-connects',
        ok(`port ${port} accepts connections, after ${measuredText(answer.ms)}`),
        address,
      )
    } else {
      const { what, remedy } = networkFault(answer.code)
      const tell = reached.length === 0 ? error : warning
      notes.note('rp-connects', tell(`port ${port}: ${what}`, remedy), address)
    }
  }
  return reached
}

/** Whether an attempt would go on, as it does at any address of the name. */
async function examineTls(
  addresses: readonly string[],
  port: number,
  hostname: string,
  { shakeHands, nowMs }: RelyingPartyExamination,
  notes: Examination,
): Promise<boolean> {
  const answers = await Promise.all(addresses.map((address) => shakeHands(address, port, hostname)))
  const accepted = answers.find(isAccepted)
  const shown = accepted ?? (answers[0] as HandshakeAnswer)
  notes.note('rp-tls', checkHandshake(shown), hostname)
  if (shown.kind === 'established') {
    notes.note('rp-certificate', checkExpiry(shown.certificate, nowMs), hostname)
  }
  if (accepted === undefined) return false
  for (const [i, answer] of answers.entries()) {
    if (isAccepted(answer)) continue
    notes.note('rp-tls', { ...checkHandshake(answer), severity: 'warning' }, addresses[i])
  }
  return true
}

function isAccepted(answer: HandshakeAnswer): boolean {
  return answer.kind === 'established' && answer.refusal === undefined
}

import { isIP } from 'node:net'
import type { EgressGuard } from '../egress/egress-guard.ts'
import type { AttemptResult } from '../egress/sender.ts'
import type { HandshakeAnswer } from '../egress/tls-handshake.ts'
import { codeOf, messageOf } from '../errors.ts'
import { endpointProblem, type LogoutEndpoint, logoutEndpoint } from '../events/logout-endpoint.ts'
import type { TcpAnswer } from '../lib/tcp-connect.ts'
import { type Judgement, measuredText, ok, problem, warning } from './judgement.ts'
import { networkFault } from './network-fault.ts'
import { type Observation, Observations } from './observation.ts'
import { judgeAddress, judgeAnswer, judgeExpiry, judgeHandshake } from './rp-judgements.ts'
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
  readonly settings?: () => Promise<Judgement>
}

/** Goes the way of a delivery step by step, up to an answer. Never throws. */
export async function examineRelyingParty(
  examination: RelyingPartyExamination,
): Promise<readonly Observation[]> {
  const { uri, settings } = examination
  const notes = new Observations('relying-party')
  const fault = endpointProblem(uri)
  if (settings !== undefined) notes.note('rp-settings', await settings())
  if (fault === undefined) {
    notes.note('rp-uri', ok(shownUri(uri)))
    const why = await goThere(new URL(uri), examination, notes)
    notes.noteUnknown(why, unknownAfter(settings !== undefined, uri))
  } else {
    notes.note(
      'rp-uri',
      problem(
        `the URI ${fault}: a registration with it is a poison record`,
        'correct --rp, or the registration',
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
async function goThere(url: URL, examination: RelyingPartyExamination, notes: Observations): Promise<string> {
  const { guard, ask, uri } = examination
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await examineName(hostname, examination, notes)
  if (addresses.length === 0) return 'the name has no address'
  const permitted = examineGuard(url, hostname, addresses, guard, notes)
  if (permitted.length === 0) return 'the egress guard refuses it'
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  const reached = await examineConnections(permitted, port, examination, notes)
  if (reached === undefined) return 'nothing can be connected to'
  if (url.protocol === 'https:' && !(await examineTls(reached, port, hostname, examination, notes))) {
    return 'there is no TLS that an attempt would accept'
  }
  notes.note('rp-answer', judgeAnswer(await ask(logoutEndpoint(uri))))
  return ''
}

async function examineName(
  hostname: string,
  { resolve }: RelyingPartyExamination,
  notes: Observations,
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
  } catch (error) {
    const { what, mend } = networkFault(codeOf(error) ?? 'UNKNOWN', messageOf(error))
    notes.note('rp-resolves', problem(`${hostname}: ${what}`, mend))
    return []
  }
}

/** The addresses that an attempt may go to. */
function examineGuard(
  { protocol }: URL,
  hostname: string,
  addresses: readonly string[],
  guard: EgressGuard,
  notes: Observations,
): string[] {
  const judged = addresses.map((address) => ({ address, judgement: judgeAddress(guard, hostname, address) }))
  const permitted = judged.filter(({ judgement }) => judgement.status === 'ok').map(({ address }) => address)
  for (const { address, judgement } of judged) {
    // An attempt takes another address then.
    const isPassedOver = judgement.status === 'problem' && permitted.length > 0
    notes.note('rp-egress', isPassedOver ? { ...judgement, status: 'warning' } : judgement, address)
  }
  try {
    guard.checkProtocol(protocol)
  } catch (error) {
    const mend = 'register an https URI; on a trusted network only, set EGRESS_ALLOW_HTTP'
    notes.note('rp-egress', problem(`the egress guard refuses: ${messageOf(error)}`, mend), protocol)
    return []
  }
  if (protocol === 'http:') {
    const found = 'http, which EGRESS_ALLOW_HTTP allows: whoever listens on the way reads who is logged out'
    notes.note('rp-egress', warning(found, 'register an https URI'), protocol)
  }
  return permitted
}

/** The first address that takes a connection. */
async function examineConnections(
  addresses: readonly string[],
  port: number,
  { connect }: RelyingPartyExamination,
  notes: Observations,
): Promise<string | undefined> {
  const answers = await Promise.all(addresses.map((address) => connect(address, port)))
  const reached = addresses.find((_, i) => answers[i]?.kind === 'connected')
  for (const [i, address] of addresses.entries()) {
    const answer = answers[i] as TcpAnswer
    if (answer.kind === 'connected') {
      notes.note(
        'rp-connects',
        ok(`port ${port} takes connections, after ${measuredText(answer.ms)}`),
        address,
      )
    } else {
      const { what, mend } = networkFault(answer.code)
      const judge = reached === undefined ? problem : warning
      notes.note('rp-connects', judge(`port ${port}: ${what}`, mend), address)
    }
  }
  return reached
}

/** Whether an attempt would go on. */
async function examineTls(
  address: string,
  port: number,
  hostname: string,
  { shakeHands, nowMs }: RelyingPartyExamination,
  notes: Observations,
): Promise<boolean> {
  const answer = await shakeHands(address, port, hostname)
  notes.note('rp-tls', judgeHandshake(answer), hostname)
  if (answer.kind === 'failed') return false
  notes.note('rp-certificate', judgeExpiry(answer.certificate, nowMs), hostname)
  return answer.refusal === undefined
}

import type { DocumentAnswer } from '../egress/fetch-document.ts'
import { printable } from '../lib/printable.ts'
import { differenceText } from './difference-text.ts'
import { error, type Found, hint, measuredText, ok, unknown, warning } from './finding.ts'
import { networkFault } from './network-fault.ts'
import { shownUri } from './shown-uri.ts'

export type Metadata = Readonly<Record<string, unknown>>

export type DocumentContent =
  | { readonly kind: 'read'; readonly content: Metadata }
  | { readonly kind: 'unusable'; readonly found: Found }

/** The JSON object that was published at a URI, or what is wrong with the answer. */
export function contentOf(uri: string, answer: DocumentAnswer): DocumentContent {
  const shown = shownUri(uri)
  const unusable = (text: string, remedy: string): DocumentContent => ({
    kind: 'unusable',
    found: error(`${shown}: ${text}`, remedy),
  })
  if (answer.kind === 'unreachable') {
    const { what, remedy } = networkFault(answer.code, answer.message)
    return unusable(what, remedy)
  }
  if (answer.status >= 300 && answer.status < 400) {
    return unusable(
      `it redirects (${answer.status}); many RPs do not follow redirects`,
      'configure the provider to answer here with 200',
    )
  }
  if (answer.status !== 200) {
    return unusable(
      `the answer is ${answer.status}`,
      'check that the issuer is right, and why the provider gives this answer',
    )
  }
  try {
    const content: unknown = JSON.parse(answer.text)
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) {
      return { kind: 'read', content: content as Record<string, unknown> }
    }
  } catch {
    // Said below.
  }
  return unusable('the answer is not a JSON object', 'check what the provider serves there')
}

const NAME_CHARACTERS_MAX = 200
const SKEW_WARNING_MS = 5_000
/** Half of a token's life, and more than RPs usually forgive. */
const SKEW_PROBLEM_MS = 60_000

/** RPs compare `iss` with what stands here, byte for byte. `place`: where ISSUERS_FILE has the issuer; missing for `ISSUER`. */
export function checkIssuerNamed(issuer: string, { issuer: published }: Metadata, place?: string): Found {
  if (published === issuer) return ok(`the metadata of ${shownUri(issuer)} names the same issuer`)
  if (typeof published !== 'string')
    return error(
      `the metadata of ${issuer} names no issuer: RPs that compare it refuse every token`,
      'correct the metadata of the provider',
    )
  const named = printable(published.slice(0, NAME_CHARACTERS_MAX))
  return error(
    `the metadata names the issuer ${named}, but the relay is set to ${issuer} (${differenceText(named, issuer)}): RPs refuse its tokens`,
    `set ${place === undefined ? 'ISSUER' : `the issuer of ${place}`} to ${named}, also in records; or correct the provider, if ${issuer} is right`,
  )
}

/** OIDC BCL 1.0 §2.1: by these an RP learns that it may ask for logouts. */
export function checkLogoutSupport(metadata: Metadata): Found {
  if (metadata.backchannel_logout_supported !== true) {
    return warning(
      'the metadata lacks backchannel_logout_supported: RPs that configure themselves from it do not ask for logouts',
      'set backchannel_logout_supported and backchannel_logout_session_supported in the metadata, if the provider allows it',
    )
  }
  if (metadata.backchannel_logout_session_supported !== true) {
    return hint(
      'the metadata lacks backchannel_logout_session_supported: RPs may not expect a sid',
      'set it in the metadata, if the provider allows it',
    )
  }
  return ok('backchannel_logout_supported, backchannel_logout_session_supported')
}

/**
 * How far this machine's clock is from the issuer's. RPs hold `iat` and `exp` against their own clocks, which follow
 * the same time as the issuer's, one hopes. The header has whole seconds, and the way there and back takes its time.
 */
export function checkClock(answer: DocumentAnswer): Found {
  if (answer.kind === 'unreachable') return unknown('the issuer could not be reached')
  const { date = '', age = '0', sentAtMs, answeredAtMs } = answer
  const dateMs = Date.parse(date)
  if (Number.isNaN(dateMs))
    return hint('the issuer sends no Date header', 'synchronize the clocks of provider and relay by NTP')
  // What a cache serves has the date at which it was stored.
  const issuerMs = dateMs + 500 + Number(age) * 1_000
  const skewMs = (sentAtMs + answeredAtMs) / 2 - issuerMs
  const unsureMs = 500 + (answeredAtMs - sentAtMs) / 2
  const size = Math.max(0, Math.abs(skewMs) - unsureMs)
  if (size <= SKEW_WARNING_MS) return ok("this machine's clock and the issuer's agree")
  const ahead = skewMs > 0
  const text = `this machine's clock is about ${measuredText(Math.abs(skewMs))} ${ahead ? 'ahead of' : 'behind'} the issuer's`
  const remedy = 'synchronize both clocks by NTP'
  if (size <= SKEW_PROBLEM_MS) return warning(`${text}: strict RPs refuse such tokens`, remedy)
  const how = ahead
    ? 'its tokens look issued in the future'
    : 'the tokens expire before or soon after they arrive'
  return error(`${text}: ${how}, and they refuse them`, remedy)
}

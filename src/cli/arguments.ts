import { createIssuers, issuersLayout } from '../app/create-issuers.ts'
import { type Layout, type Placed, readConfigPart } from '../config/config.ts'
import { issuer as issuerOption } from '../config/options.ts'
import { readEachOption } from '../config/read-each-option.ts'
import type { ResolveIssuer } from '../events/decoding/decode-record.ts'
import { identifier } from '../events/identifier.ts'
import { systemClock } from '../lib/clock.ts'
import { RelayFault } from '../lib/errors.ts'

/** A whole number from 1 to `max`. Throws `LR_USAGE`, which names the argument. */
export function parseCount(text: string, argument: string, max: number): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= max) return count
  throw new RelayFault('LR_USAGE', `${argument}: must be a whole number from 1 to ${max}`)
}

/** The id of a session, a user or a client, as records may hold it. Throws `LR_USAGE`, which names the argument. */
export function parseId(text: string, argument: string): string {
  const parsed = identifier.safeParse(text)
  if (parsed.success) return text
  throw new RelayFault('LR_USAGE', `${argument}: ${parsed.error.issues[0]?.message}`)
}

/** For options of a command: the parser of one, under its name. */
export function id(argument: string): (text: string) => string {
  return (text) => parseId(text, argument)
}

export function count(argument: string, max: number): (text: string) => number {
  return (text) => parseCount(text, argument, max)
}

/** What a command is about, an alias or an `iss`: which of them is known only with the configuration. */
export function parseIssuer(text: string): string {
  return parseId(text, '--issuer')
}

/**
 * A part of the configuration, and which issuer the command is about: that which was given, or the only one. With one given
 * nothing need be configured of them. `resolveIssuer` reads records as that issuer's where they name none. Throws `LR_USAGE`,
 * or as `readConfigPart` and `Issuers.open` do.
 */
export async function readConfigFor<const L extends Layout>(
  part: L,
  given: string | undefined,
): Promise<{
  readonly config: Placed<L>
  readonly issuer: string
  readonly resolveIssuer: ResolveIssuer
  /** Whether it is configured, enabled or not; `undefined` where nothing is configured of issuers. */
  readonly isKnown: boolean | undefined
  /** Whether a relay with this configuration acts for that issuer; `undefined` where nothing is configured of issuers. */
  readonly isServed: boolean | undefined
}> {
  // Together, so that all that is missing is said at once.
  const configured =
    given === undefined ? readConfigPart([part, issuersLayout])[1] : readEachOption().part(issuersLayout)
  const config = readConfigPart(part)
  const issuers = configured && createIssuers(configured, systemClock)
  let isOpen = false
  try {
    await issuers?.open()
    isOpen = issuers !== undefined
  } catch (error) {
    // A whole `iss` says which issuer is meant without the file.
    if (given === undefined || !isIssuer(given)) throw error
  }
  const resolveIssuer: ResolveIssuer = (name) => issuers?.resolve(name) ?? name
  const issuer = resolveIssuer(given)
  if (issuer === undefined)
    throw new RelayFault('LR_USAGE', '--issuer: is required, because this relay serves several issuers')
  if (!isIssuer(issuer)) {
    const what = 'must be the https (or http) URL that stands in the ID tokens, or an alias of ISSUERS_FILE'
    throw new RelayFault('LR_USAGE', `--issuer: ${what}`)
  }
  const isServed = isOpen ? issuers?.serves(issuer) : undefined
  const isKnown = isOpen ? issuers?.knows(issuer) : undefined
  return { config, issuer, isKnown, isServed, resolveIssuer: (name = issuer) => resolveIssuer(name) }
}

/** Whether it is a whole `iss`, and no alias. */
export function isIssuer(text: string): boolean {
  return issuerOption.safeParse(text).success
}

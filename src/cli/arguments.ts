import { type Layout, layout, optionsIn, type Placed, place, readConfigPart } from '../config/config.ts'
import { readOptions } from '../config/env.ts'
import { identifier } from '../events/identifier.ts'
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

/** An issuer as the configuration would accept it. */
export function parseIssuer(text: string): string {
  try {
    return readConfigPart(layout.issuers[0].issuer, { ISSUER: text })
  } catch {
    throw new RelayFault(
      'LR_USAGE',
      '--issuer: must be the https (or http) URL from the ID tokens, without query and fragment',
    )
  }
}

/**
 * A part of the configuration, with the issuer that was given in place of `ISSUER`. Throws as `readConfigPart` does;
 * `ISSUER` need not be set when an issuer is given.
 */
export function readConfigFor<const L extends Layout>(
  part: L,
  given: string | undefined,
): { readonly config: Placed<L>; readonly issuer: string } {
  const { issuer } = layout.issuers[0]
  const options = readOptions([...optionsIn(part), ...(given === undefined ? [issuer] : [])])
  return { config: place<L>(part, options), issuer: given ?? options[issuer] }
}

import type { Config } from '../config/env.ts'
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
    return readOptions(['ISSUER'], { ISSUER: text }).ISSUER
  } catch {
    throw new RelayFault(
      'LR_USAGE',
      '--issuer: must be the https (or http) URL that stands in the ID tokens, without query and fragment',
    )
  }
}

type Name = keyof Config

/**
 * Options of the configuration, with the issuer that was given in place of `ISSUER`. Throws as `readOptions` does;
 * `ISSUER` need not be set when an issuer is given.
 */
export function readOptionsFor<Wanted extends Name>(
  names: readonly Wanted[],
  issuer: string | undefined,
): Pick<Config, Wanted> & { readonly issuer: string } {
  if (issuer !== undefined) return { ...readOptions(names), issuer }
  const config = readOptions([...names, 'ISSUER'])
  return { ...config, issuer: config.ISSUER }
}

import { resolve } from 'node:path'
import { createIssuers, issuersLayout } from '../../app/create-issuers.ts'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import { readEachOption } from '../../config/read-each-option.ts'
import type { TokenAlgorithm } from '../../events/registration.ts'
import { SigningKeys } from '../../issuers/signing/signing-keys.ts'
import { systemClock } from '../../lib/clock.ts'
import { RelayFault } from '../../lib/errors.ts'
import { isIssuer } from '../arguments.ts'

export interface KeyFileOptions {
  /** An `iss` or an alias. */
  readonly issuer?: string
  readonly file?: string
}

export interface KeyFileOfIssuer {
  /** `undefined` where a file was given, and nothing says whose it is. */
  readonly issuer: string | undefined
  /** Absolute. */
  readonly file: string
  /** It is a directory of key files. */
  readonly isDirectory: boolean
  /** What its clients get that want no other; `undefined` as `issuer`. */
  readonly defaultAlg?: TokenAlgorithm | undefined
  /** What the file holds, not read yet. */
  readonly keys: SigningKeys
}

/** What tells where the keys of an issuer are. */
export const keyFileLayout = { ...issuersLayout, issuers: layout.issuers } as const satisfies Layout

/**
 * The key file that is meant: one that was given, or that of an issuer of the configuration, the only one unless it was named.
 * Throws `LR_USAGE`, or as `readConfigPart` and `Issuers.open` do.
 */
export async function keyFileOf({ issuer: given, file }: KeyFileOptions): Promise<KeyFileOfIssuer> {
  const part = keyFileLayout
  // A given file needs no configuration, and is perhaps a copy of the one that is configured.
  const config = file === undefined ? readConfigPart(part) : readEachOption().part(part)
  const issuers = config && createIssuers(config, systemClock)
  try {
    await issuers?.open()
  } catch (error) {
    if (file === undefined) throw error
  }
  const issuer = issuers?.resolve(given) ?? given
  if (issuer !== undefined && !isIssuer(issuer)) {
    throw new RelayFault('LR_USAGE', `--issuer: ${given} is neither an issuer nor an alias of ISSUERS_FILE`)
  }
  if (file !== undefined) {
    const path = resolve(file)
    return { issuer, file: path, isDirectory: false, keys: new SigningKeys(path, systemClock) }
  }
  if (issuer === undefined) {
    throw new RelayFault('LR_USAGE', '--issuer: is required, because this relay serves several issuers')
  }
  const found = issuers?.get(issuer)
  if (found === undefined) {
    throw new RelayFault('LR_USAGE', `--issuer: ${issuer} is not among the issuers of this relay`)
  }
  const { alg, keysFile, isKeysDirectory = false } = found.settings
  return { issuer, file: keysFile, isDirectory: isKeysDirectory, defaultAlg: alg, keys: found.keys }
}

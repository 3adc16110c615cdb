import { readTlsFiles, type TlsFiles, type TlsParts } from '../lib/tls-files.ts'

/** How Redis is connected to, beyond what its URL says. */
export interface RedisSecurity {
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** For `rediss://` only. */
  readonly tls?: TlsFiles
}

/** The part of ioredis' options that says so; it goes over what the URL says. */
export function securityOptions(
  url: string,
  { username, password, tls = {} }: RedisSecurity,
): { username?: string; password?: string; tls?: TlsParts } {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(url.startsWith('rediss:') && { tls: readTlsFiles(tls) }),
  }
}

import { readTlsFiles, type TlsFiles, type TlsParts } from '../lib/tls-files.ts'

/** Connection settings of Redis beyond its URL. */
export interface RedisSecurity {
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** For `rediss://` only. */
  readonly tls?: TlsFiles
}

/** The corresponding ioredis options. They override the URL. */
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

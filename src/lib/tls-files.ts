import { readFileSync } from 'node:fs'

/** Where the parts of a TLS client stand, as PEM. */
export interface TlsFiles {
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

export interface TlsParts {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Reads the parts that are given. Throws what the file system says. */
export function readTlsFiles({ caFile, certFile, keyFile }: TlsFiles): TlsParts {
  return {
    ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
    ...(certFile !== undefined && { cert: readFileSync(certFile, 'utf8') }),
    ...(keyFile !== undefined && { key: readFileSync(keyFile, 'utf8') }),
  }
}

import { readFileSync } from 'node:fs'

/** Paths of a TLS client's PEM files. */
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

/** Reads the given files. Throws the errors of the file system. */
export function readTlsFiles({ caFile, certFile, keyFile }: TlsFiles): TlsParts {
  return {
    ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
    ...(certFile !== undefined && { cert: readFileSync(certFile, 'utf8') }),
    ...(keyFile !== undefined && { key: readFileSync(keyFile, 'utf8') }),
  }
}

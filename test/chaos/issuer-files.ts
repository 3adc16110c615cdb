import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { JWK } from 'jose'
import type { JsonWebKeyWithId } from '../support/ledger/protocol.ts'
import { privateJwk, replaceFile } from '../support/signing-key-file.ts'
import { ISSUER, TENANT } from './workload.ts'

/** What all relays are to read, in the end. */
export interface IssuersVersion {
  readonly hasTenant: boolean
  /** Of the issuer that stays: the names of its keys, the first of which signs. */
  readonly keys: readonly ('old' | 'new')[]
  readonly clients: readonly { readonly clientId: string; readonly backchannelLogoutUri: string }[]
}

/** Each names its keys alike, as where each tenant counts its own. */
const keysOf: Readonly<Record<string, { readonly old: JWK; readonly new: JWK }>> = {
  [ISSUER]: { old: privateJwk('ec', '1'), new: privateJwk('ec', '2') },
  [TENANT]: { old: privateJwk('ec', '1'), new: privateJwk('ec', '2') },
}

/** An issuers file with its keys for each relay, so that a change reaches them one after the other. */
export class IssuerFiles {
  /** By issuer, and of all that ever sign. */
  readonly publicKeys: Readonly<Record<string, { keys: JsonWebKeyWithId[] }>>
  readonly #folder: string
  #version: IssuersVersion = { hasTenant: true, keys: ['old'], clients: [] }
  #count = 0

  constructor(folder: string) {
    this.#folder = folder
    const sets = Object.entries(keysOf).map(([issuer, keys]) => {
      return [issuer, { keys: [publicJwk(keys.old), publicJwk(keys.new)] }]
    })
    this.publicKeys = Object.fromEntries(sets)
  }

  /** The settings of a relay that starts now. */
  async environment(relay: number): Promise<Record<string, string>> {
    await this.write(relay)
    const file = join(this.#folderOf(relay), 'issuers.json')
    return { ISSUER: '', SIGNING_KEYS_FILE: '', ISSUERS_FILE: file, SIGNING_KEYS_RELOAD_MS: '100' }
  }

  /** What is written from now on. Returns an issuer that nobody uses, by which a relay shows that it has read it. */
  next(version: IssuersVersion): string {
    this.#version = version
    this.#count++
    return this.#mark()
  }

  async write(relay: number): Promise<void> {
    const folder = this.#folderOf(relay)
    await mkdir(folder, { recursive: true })
    const { clients, hasTenant, keys } = this.#version
    const own = keysOf[ISSUER]
    await replaceFile(join(folder, 'keys.json'), JSON.stringify({ keys: keys.map((name) => own?.[name]) }))
    await replaceFile(join(folder, 'tenant.json'), JSON.stringify({ keys: [keysOf[TENANT]?.old] }))
    const issuers = [
      { issuer: ISSUER, keys: { file: 'keys.json' }, retry: { deadline: '1h' }, clients },
      ...(hasTenant ? [{ issuer: TENANT, keys: { file: 'tenant.json' } }] : []),
      { issuer: this.#mark(), keys: { file: 'nowhere.json' }, enabled: false },
    ]
    await replaceFile(join(folder, 'issuers.json'), JSON.stringify({ issuers }))
  }

  /** As an operator does who saves too early. */
  async break(relay: number): Promise<void> {
    await replaceFile(join(this.#folderOf(relay), 'issuers.json'), '{"issuers": [')
  }

  #mark(): string {
    return `https://version-${this.#count}.chaos.example`
  }

  #folderOf(relay: number): string {
    return join(this.#folder, `relay-${relay}`)
  }
}

function publicJwk(key: JWK): JsonWebKeyWithId {
  const publicKey = createPublicKey({ key: key as JsonWebKey, format: 'jwk' })
  return { ...publicKey.export({ format: 'jwk' }), kid: String(key.kid) }
}

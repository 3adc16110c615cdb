import type { Config } from '../config/config.ts'
import { ClientPolicy } from '../delivery/client-policy.ts'
import { EndpointChecks } from '../delivery/endpoint-checks.ts'
import { ClientNotes, type NotedClient } from '../diagnosis/client-notes.ts'
import { NameResolver } from '../egress/name-resolver.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { Issuers } from '../issuers/issuers.ts'
import { systemClock } from '../lib/clock.ts'
import { settledWithin } from '../lib/deferred.ts'
import type { RpName } from '../registry/rp-settings.ts'

const ADDRESSES_MAX = 2_000
const LOOKUPS_AT_ONCE = 16
const LOOKUPS_MS_MAX = 5_000

/** What records and the issuers file say of clients, looked at as a relay looks at it when it reads it. */
export class RecentClients {
  readonly #issuers: Issuers
  readonly #notes = new ClientNotes({ clock: systemClock, onNew: () => undefined })
  readonly #policy: ClientPolicy
  /** Of each client the addresses that it is to be told at. */
  readonly #addresses = new Map<string, { readonly rp: RpName; readonly uri: string }>()

  constructor(options: Config['clients'], issuers: Issuers) {
    this.#issuers = issuers
    this.#policy = new ClientPolicy(options, issuers, ({ clientId }, note) => this.#notes.add(clientId, note))
    for (const { id: issuer, settings } of issuers.known())
      for (const { clientId, backchannelLogoutUri } of settings.clients)
        this.#add({ issuer, clientId }, backchannelLogoutUri)
  }

  take(decoded: DecodeResult): void {
    if (decoded.kind === 'registration') {
      const { registration } = decoded
      if (!this.#issuers.serves(registration.issuer)) return
      this.#policy.tokenTypeFor(registration, registration.typ)
      this.#add(registration, registration.backchannelLogoutUri)
    } else if (decoded.kind === 'client' && decoded.change.type === 'client-configured') {
      const { change } = decoded
      if (!this.#issuers.serves(change.issuer)) return
      this.#policy.tokenTypeFor(change, change.settings.typ)
      this.#add(change, change.settings.backchannelLogoutUri)
    }
  }

  /** Looks the names up, as many as answer soon. */
  async look(): Promise<readonly NotedClient[]> {
    const names = new NameResolver()
    const pending = new Set<Promise<void>>()
    const checks = new EndpointChecks({
      issuers: this.#issuers,
      refusal: (rp, endpoint) => this.#policy.refusal(rp, endpoint),
      resolve: (hostname, done) => {
        const answered = names
          .addressesOf(hostname)
          .then(
            (addresses) => done(null, addresses),
            (error) => done(error, []),
          )
          .finally(() => pending.delete(answered))
        pending.add(answered)
      },
      onNote: ({ clientId }, note) => this.#notes.add(clientId, note),
    })
    const endsAtMs = performance.now() + LOOKUPS_MS_MAX
    const leftMs = () => Math.max(0, endsAtMs - performance.now())
    for (const { rp, uri } of this.#addresses.values()) {
      if (pending.size >= LOOKUPS_AT_ONCE) await settledWithin(Promise.race(pending), leftMs())
      if (leftMs() === 0) break
      checks.look(rp, uri)
    }
    await settledWithin(Promise.all(pending), leftMs())
    names.close()
    return this.#notes.read()
  }

  #add({ issuer, clientId }: RpName, uri: string | undefined): void {
    if (uri === undefined || this.#addresses.size >= ADDRESSES_MAX) return
    this.#addresses.set(JSON.stringify([issuer, clientId, uri]), { rp: { issuer, clientId }, uri })
  }
}

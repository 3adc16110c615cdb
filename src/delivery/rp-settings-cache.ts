import type { Clock } from '../lib/clock.ts'
import type { RpSettingsStore } from '../registry/rp-settings.ts'
import type { DeliveryIssuers } from './delivery-issuers.ts'
import type { RelyingParty } from './relying-party.ts'

/** How long a change of an RP's settings may take to be seen; long enough that a busy RP costs one read per second. */
const AGE_MS_MAX = 1_000

/** Keeps the settings of the RPs that are about to be told up to date, in one round trip for all of them. */
export class RpSettingsCache {
  readonly #store: RpSettingsStore
  readonly #clock: Clock
  readonly #issuers: DeliveryIssuers

  constructor(store: RpSettingsStore, clock: Clock, issuers: DeliveryIssuers) {
    this.#store = store
    this.#clock = clock
    this.#issuers = issuers
  }

  /**
   * Afterwards nothing is known that is older than `ageMsMax` milliseconds. Throws when the store cannot be reached for what
   * is.
   */
  async refresh(rps: Iterable<RelyingParty>, ageMsMax = AGE_MS_MAX): Promise<void> {
    const now = this.#clock.monotonic()
    const stale: RelyingParty[] = []
    for (const rp of rps) {
      if (now - rp.settingsReadAtMs >= ageMsMax && !stale.includes(rp)) stale.push(rp)
    }
    if (stale.length === 0) return
    const settings = await this.#store.load(stale)
    for (const [i, rp] of stale.entries()) {
      const issuer = this.#issuers.get(rp.issuer)
      rp.settings = { ...issuer?.client(rp.clientId)?.settings, ...settings[i] }
      rp.defaultClaims = issuer?.claims
      rp.settingsReadAtMs = now
    }
  }
}

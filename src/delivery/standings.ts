import type { Delivery } from './delivery.ts'
import { type Origin, Origins } from './origins.ts'
import { endpointOf, type RelyingParty } from './relying-party.ts'
import { type StandingKind, UsualLatency } from './standing.ts'

/** Since its last answer nobody can say of an origin that it hangs: for a quarter of a second. */
const ANSWERED_LOOKS = 5

/** How RPs and the hosts that they are at stand, and what follows from an attempt for that. */
export class Standings {
  readonly origins: Origins
  readonly #usual = new UsualLatency()
  #looks = 0

  /** `unansweredMax`: attempts without an answer after which nothing behind an origin is thought to answer. */
  constructor(unansweredMax: number) {
    this.origins = new Origins(unansweredMax)
  }

  /** The clock of all this: how often somebody has looked. */
  get now(): number {
    return this.#looks
  }

  /** Counts a look. Attempts that have not ended and began no later than what is returned take long. */
  look(): number {
    return ++this.#looks - this.#usual.slowLooks
  }

  /** Where a delivery is to be sent to. All that have no address fail at once, and share one origin. */
  originFor(delivery: Delivery): Origin {
    return this.origins.get(endpointOf(delivery)?.origin ?? '')
  }

  /** Where an RP was last sent to; nothing is known when it never was. */
  originOf({ endpoint }: RelyingParty): Origin | undefined {
    return endpoint === undefined ? undefined : this.origins.get(endpoint.origin)
  }

  /** An RP of which nothing is known yet is taken for what its origin is; behind one that hangs nobody is quick. */
  of(rp: RelyingParty, origin = this.originOf(rp)): StandingKind {
    const own = rp.standing.kind
    if (origin === undefined) return own
    if (this.isHung(origin)) return 'hung'
    if (own !== 'new') return own
    const { kind } = origin.standing
    return kind === 'hung' ? 'new' : kind
  }

  /**
   * Nothing behind it seems to answer. One RP that does, in between, is enough for the contrary: a host serves some that
   * hang and some that are well.
   */
  isHung({ endedAtLook, standing }: Origin): boolean {
    return standing.kind === 'hung' && this.#looks - endedAtLook >= ANSWERED_LOOKS
  }

  /** An attempt has ended. */
  ended({ rp, isUnproven, startedAtLook }: Delivery, origin: Origin, didAnswer: boolean): void {
    const looks = this.#looks - startedAtLook
    const { slowLooks } = this.#usual
    if (!didAnswer && looks >= slowLooks) {
      unanswered(rp, origin)
      return
    }
    if (!isUnproven && looks < slowLooks) this.#usual.ended(looks)
    rp.standing.ended(looks, slowLooks)
    origin.standing.ended(looks, slowLooks)
    origin.endedAtLook = this.#looks
  }

  /** An attempt takes long. An RP that is known to take its time does not hang, nor does its origin. */
  takesLong(rp: RelyingParty, origin: Origin): void {
    if (rp.standing.kind !== 'slow') unanswered(rp, origin)
  }
}

function unanswered(rp: RelyingParty, origin: Origin): void {
  rp.standing.unanswered()
  origin.standing.unanswered()
}

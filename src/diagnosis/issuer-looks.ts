import type { DocumentAnswer } from '../egress/fetch-document.ts'
import type { TokenAlgorithm } from '../events/registration.ts'
import type { IssuerSight } from '../issuers/issuer.ts'
import { chosenKey } from '../issuers/signing/key-choice.ts'
import type { SigningKey } from '../issuers/signing/signing-key.ts'
import type { Clock } from '../lib/clock.ts'
import type { Found } from './finding.ts'
import { checkIssuerNamed } from './issuer.ts'
import { readIssuerDocuments } from './issuer-documents.ts'
import { checkPublished, type Jwk, keyPlaceOf, PUBLISHED_BEFORE_MS } from './key-published.ts'

/** An issuer of the relay as the looks need it. */
export interface LookedAtIssuer {
  readonly id: string
  readonly isEnabled: boolean
  /** Of clients and registrations that name none. */
  readonly alg: TokenAlgorithm
  readonly keys: {
    readonly all: readonly SigningKey[]
    /** Keys that sign now, and those that will. */
    inUse(): readonly { readonly key: SigningKey; readonly signs: 'now' | 'later' }[]
  }
  /** Where ISSUERS_FILE has it; missing where options name it. */
  readonly settings: { readonly place?: string }
  sees(sight: IssuerSight): void
}

export interface IssuerLooksOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  /** Never throws. */
  readonly fetchDocument: (uri: string) => Promise<DocumentAnswer>
  /** How long what is well is believed; 0: nothing is ever looked at. Milliseconds. */
  readonly intervalMs: number
  readonly issuers: {
    /** Issuers may exist that were not met yet. */
    readonly isOpen: boolean
    known(): Iterable<LookedAtIssuer>
  }
}

export interface KnownPublication {
  readonly issuer: string
  readonly kid: string
  readonly signs: 'now' | 'later'
  readonly isPublished: boolean
}

/** What was seen of one issuer, with as little as possible of its documents: there may be thousands. */
export interface SeenIssuer {
  readonly id: string
  readonly isMisnamed: boolean
  readonly named: Found | undefined
  readonly keys: readonly SeenKey[]
  /** Why a document could not be read; what was seen of it before stands. */
  readonly unread: { readonly discovery?: Found; readonly keySet?: Found }
}

interface SeenKey {
  readonly key: SigningKey
  readonly signs: 'now' | 'later'
  /** It signs what is signed for RPs that ask for nothing else, or will when its time comes. */
  readonly isDefault: boolean
  /** It signs now, or so soon that RPs may not have read it by then. */
  readonly isPressing: boolean
  readonly found: Found
}

export interface IssuerLookFacts {
  readonly seen: readonly SeenIssuer[]
  /** Some issuer may be well: it was seen so, was not looked at yet, or is not met. By what can be wrong. */
  readonly isSomeNamedRight: boolean
  readonly isSomeVerifiable: boolean
  readonly hasSeveral: boolean
}

interface State extends SeenIssuer {
  readonly issuer: LookedAtIssuer
  /** Those that were compared; others are compared at the next look. */
  readonly compared: readonly SigningKey[]
  readonly dueAtMs: number
}

/** Issuers that are looked at in one round; each is two requests to somebody else. */
const ROUND_MAX = 50
const AT_ONCE = 10
/** What is ill is looked at again with every round, and what could not be read after that. */
const UNREAD_MS = 30_000
/** With keys in a metric. */
const SHOWN_MAX = 200

/**
 * Looks at what the issuers themselves publish: whether they are who this relay takes them for, and whether RPs find the
 * keys that sign. An issuer without discovery, or out of reach, is not known, and nothing is claimed of it.
 */
export class IssuerLooks {
  readonly #options: IssuerLooksOptions
  #states = new Map<string, State>()

  constructor(options: IssuerLooksOptions) {
    this.#options = options
  }

  /** Looks at the issuers that are due, in turns when there are many. Never throws. */
  async look(): Promise<IssuerLookFacts> {
    const { clock, intervalMs } = this.#options
    const issuers = intervalMs === 0 ? [] : this.#enabled()
    const ids = new Set(issuers.map(({ id }) => id))
    this.#states = new Map([...this.#states].filter(([id]) => ids.has(id)))
    const now = clock.monotonic()
    const due = issuers
      .map((issuer) => ({ issuer, dueAtMs: this.#dueAtMs(issuer) }))
      .filter(({ dueAtMs }) => dueAtMs <= now)
      .sort((a, b) => a.dueAtMs - b.dueAtMs)
      .slice(0, ROUND_MAX)
    for (let i = 0; i < due.length; i += AT_ONCE)
      await Promise.all(due.slice(i, i + AT_ONCE).map(({ issuer }) => this.#lookAt(issuer)))
    return this.#facts(issuers)
  }

  /** Of the keys that were compared last, those of a bounded number of issuers. */
  publications(): KnownPublication[] {
    const shown = [...this.#states.values()].filter(({ keys }) => keys.length > 0).slice(0, SHOWN_MAX)
    return shown.flatMap(({ id, keys }) =>
      keys.map(({ key, signs, found }) => ({ issuer: id, kid: key.kid, signs, isPublished: isWell(found) })),
    )
  }

  #enabled(): LookedAtIssuer[] {
    const enabled: LookedAtIssuer[] = []
    for (const issuer of this.#options.issuers.known()) if (issuer.isEnabled) enabled.push(issuer)
    return enabled
  }

  /** At once after a change of its settings or keys. */
  #dueAtMs(issuer: LookedAtIssuer): number {
    const state = this.#states.get(issuer.id)
    if (state?.issuer !== issuer || state.compared !== issuer.keys.all) return Number.NEGATIVE_INFINITY
    return state.dueAtMs
  }

  async #lookAt(issuer: LookedAtIssuer): Promise<void> {
    const { clock, fetchDocument, intervalMs } = this.#options
    const compared = issuer.keys.all
    const { discovery, jwks, keySet, metadata } = await readIssuerDocuments(issuer.id, fetchDocument)
    const before = this.#states.get(issuer.id)
    const named =
      metadata === undefined
        ? { named: before?.named, isMisnamed: before?.isMisnamed ?? false }
        : {
            named: troubleIn(checkIssuerNamed(issuer.id, metadata, issuer.settings.place)),
            isMisnamed: typeof metadata.issuer === 'string' && metadata.issuer !== issuer.id,
          }
    const keys = jwks === undefined ? keptOf(before, issuer) : seenKeys(issuer, jwks, clock.now())
    const absent = new Set(keys.filter(({ found }) => !isWell(found)).map(({ key }) => key))
    const isUnread = !isWell(discovery) || (keySet !== undefined && !isWell(keySet))
    const restMs = named.named !== undefined || absent.size > 0 ? 0 : isUnread ? UNREAD_MS : intervalMs
    this.#states.set(issuer.id, {
      ...named,
      id: issuer.id,
      issuer,
      compared,
      keys,
      unread: {
        ...(!isWell(discovery) && { discovery }),
        ...(keySet !== undefined && !isWell(keySet) && { keySet }),
      },
      dueAtMs: clock.monotonic() + Math.min(restMs, intervalMs, untilNextTurn(issuer, clock.now())),
    })
    issuer.sees({ isMisnamed: named.isMisnamed, absent })
  }

  #facts(issuers: readonly LookedAtIssuer[]): IssuerLookFacts {
    const { isOpen } = this.#options.issuers
    const states = issuers.map(({ id }) => this.#states.get(id))
    return {
      seen: states.filter((it) => it !== undefined),
      isSomeNamedRight: isOpen || states.some((it) => it?.isMisnamed !== true),
      isSomeVerifiable: isOpen || states.some((it) => it === undefined || !isUnverifiable(it)),
      hasSeveral: isOpen || issuers.length > 1,
    }
  }
}

function isUnverifiable({ keys }: SeenIssuer): boolean {
  return keys.some(({ found, isDefault, isPressing }) => isDefault && isPressing && !isWell(found))
}

function seenKeys(issuer: LookedAtIssuer, jwks: readonly Jwk[], nowMs: number): SeenKey[] {
  const { alg, id, keys, settings } = issuer
  const inUse = keys.inUse()
  const place = keyPlaceOf(id, settings.place)
  const signing = inUse.filter(({ signs }) => signs === 'now')
  const ofDefault = signing.filter(({ key }) => key.algorithms.includes(alg))
  const defaults = ofDefault.length > 0 ? ofDefault : signing
  return inUse.map((it) => ({
    ...it,
    isDefault:
      it.signs === 'now' ? defaults.includes(it) : chosenKey(keys.all, alg, it.key.notBeforeMs) === it.key,
    isPressing: it.key.notBeforeMs - nowMs < PUBLISHED_BEFORE_MS,
    found: checkPublished(it.key, jwks, nowMs, place),
  }))
}

/** Until a key is about to sign, or begins to: whether it is published matters more from then on. Milliseconds. */
function untilNextTurn({ keys }: LookedAtIssuer, nowMs: number): number {
  const turns = keys.all.flatMap(({ notBeforeMs }) => [notBeforeMs - PUBLISHED_BEFORE_MS, notBeforeMs])
  return Math.min(...turns.filter((ms) => ms > nowMs).map((ms) => ms - nowMs))
}

/** What was seen of keys that are still there. */
function keptOf(before: State | undefined, { keys }: LookedAtIssuer): readonly SeenKey[] {
  return before?.keys.filter(({ key }) => keys.all.includes(key)) ?? []
}

function troubleIn(found: Found): Found | undefined {
  return isWell(found) ? undefined : found
}

function isWell({ severity }: Found): boolean {
  return severity === 'ok'
}

import { expect, onTestFinished } from 'vitest'
import { type Config, readConfig } from '../../../src/config/config.ts'
import type { ClientNote } from '../../../src/delivery/client-policy.ts'
import { ClientPolicy } from '../../../src/delivery/client-policy.ts'
import { ClientStates } from '../../../src/delivery/client-states.ts'
import { DeliveryCore } from '../../../src/delivery/delivery-core.ts'
import type { AttemptReport } from '../../../src/delivery/delivery-events.ts'
import type { OutgoingRecord } from '../../../src/delivery/outcome-log.ts'
import { EgressGuard } from '../../../src/egress/egress-guard.ts'
import type { AttemptRequest, AttemptResult, Sender } from '../../../src/egress/sender.ts'
import { ShadowSender } from '../../../src/egress/shadow-sender.ts'
import type { Registration } from '../../../src/events/registration.ts'
import type { TokenSigner } from '../../../src/issuers/signing/token-signer.ts'
import { RelayFault } from '../../../src/lib/errors.ts'
import type { RpSettings } from '../../../src/registry/rp-settings.ts'
import { BackchannelLogout } from '../../../src/transports/backchannel-logout/backchannel-logout.ts'
import { MemoryBacklog } from '../../support/memory-backlog.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, OTHER_ISSUER, sampleOrigin } from '../sample-registration.ts'

export interface SentAttempt extends AttemptRequest {
  /** Gives the attempt its result. */
  readonly answer: (result: AttemptResult) => void
}

interface FixtureOptions {
  readonly env?: Record<string, string>
  readonly settings?: RpSettings
  /** Whether a key can sign. */
  readonly hasKey?: boolean
  /** Tokens are signed in a later turn of the event loop, as by a thread pool. */
  readonly isSignedLater?: boolean
  /** Resolves when the log acknowledges what was appended; rejects when it refuses. */
  readonly acknowledged?: () => Promise<void>
  /** Nothing is sent, and every outcome says what would have been. */
  readonly isShadow?: boolean
  /** RPs that have not answered before; all others have, and soon. */
  readonly strangers?: boolean
  /** Those of another replica. */
  readonly stores?: { readonly registry: MemoryRegistry; readonly backlog: MemoryBacklog }
}

const served = new Set([ISSUER, OTHER_ISSUER])

const requiredEnv = {
  KAFKA_BROKERS: 'localhost:9092',
  REDIS_URL: 'redis://localhost',
  ISSUER,
  SIGNING_KEYS_FILE: import.meta.filename,
}

export function configOf(env: Record<string, string> = {}): Config {
  return readConfig({ ...requiredEnv, ...env })
}

/** How many may be claimed while nothing else is under way. */
export function claimPlacesOf(maxUnsettled: number): number {
  return Math.max(Math.ceil(maxUnsettled / 2), Math.floor(maxUnsettled * 0.75) - 1)
}

/** Nothing is taken of any bound: what was begun has been ended in every respect, on the rarest path too. */
export function expectIdle(core: DeliveryCore, { delivery: { maxUnsettled } }: Config): void {
  const { claimPlaces, places, size } = core.open
  expect({ ...core.dispatcher.taken, size, claimPlaces, places, unsettled: core.settlement.size }).toEqual({
    attemptPlaces: 0,
    unproven: 0,
    lingering: 0,
    claiming: 0,
    atOrigins: 0,
    retriesInFlight: 0,
    probes: 0,
    probePlaces: 0,
    waiting: 0,
    size: 0,
    claimPlaces: claimPlacesOf(maxUnsettled),
    places: maxUnsettled,
    unsettled: 0,
  })
  expect(core.open.room.isOpen).toBe(true)
  for (const rp of core.relyingParties) {
    const { clientId, inFlight, lingering, probe, waitingFirst, waitingRetry, isSilent, breaker } = rp
    const waiting = waitingFirst.size + waitingRetry.size
    const idle = { inFlight: 0, lingering: 0, probe: undefined, waiting: 0, isSilent: !breaker.isClosed }
    expect({ clientId, inFlight, lingering, probe, waiting, isSilent }).toEqual({ clientId, ...idle })
    const { unsettled, claimPlaces, places, unproven, lingering: without, claiming } = rp.share
    expect([unsettled, claimPlaces, places, unproven, without, claiming]).toEqual([0, 0, 0, 0, 0, 0])
  }
}

/**
 * The whole delivery on stores in memory, with RPs that answer when a test says so and a token that can be read. When
 * the test has ended every attempt that is left is answered, the log takes everything, and then nothing may be taken.
 */
export function deliveryFixture(options: FixtureOptions = {}) {
  const {
    env = {},
    settings = {},
    hasKey = true,
    isShadow = false,
    isSignedLater = false,
    acknowledged = async () => undefined,
  } = options
  const clock = manualClock()
  const { registry, backlog } = options.stores ?? {
    registry: new MemoryRegistry(),
    backlog: new MemoryBacklog(),
  }
  const attempts: SentAttempt[] = []
  const reports: AttemptReport[] = []
  const published: OutgoingRecord[] = []
  /** What became of the breakers, in order. */
  const breakers: string[] = []
  /** What happened, in order, to the outcome of a delivery. */
  const steps: string[] = []
  const settled: string[] = []
  /** Outcomes that were noted because Kafka did not take them. */
  const noted: Parameters<MemoryRegistry['notePending']>[0][number][] = []
  /** Outcomes that were decided elsewhere. */
  const concluded: string[] = []
  /** What was noted of clients. */
  const clientNotes: ({ clientId: string } & ClientNote)[] = []

  /** Attempts without a result; a test may have taken them off its own list. */
  const unanswered = new Set<SentAttempt>()
  const sender: Sender = {
    send: (request, done) => {
      const attempt: SentAttempt = {
        ...request,
        answer: (result) => {
          if (unanswered.delete(attempt)) done(result)
        },
      }
      unanswered.add(attempt)
      attempts.push(attempt)
    },
    close: async () => undefined,
  }
  const signer: TokenSigner = {
    sign: ({ alg, typ }, payload, signed) => {
      const answer = () =>
        signed(
          hasKey
            ? Buffer.from(JSON.stringify({ alg, typ, ...JSON.parse(payload) }))
            : new RelayFault('LR_KEY_MISSING', `no ${alg} key signs now`),
        )
      if (isSignedLater) setImmediate(answer)
      else answer()
    },
  }
  const issuer = {
    isEnabled: true,
    isMisnamed: false,
    /** RPs are known not to find its keys. */
    isAbsent: false,
    isUnverifiable: () => issuer.isAbsent,
    deadlineMs: configOf(env).delivery.retry.deadlineMs,
    egress: new EgressGuard({ allowHttp: true, allow: [] }),
    client: () => undefined,
    signer,
    alg: 'RS256' as const,
    tokenLifetimeMs: 120_000,
  }
  const issuers = { get: (id: string) => (served.has(id) ? issuer : undefined) }
  const settle = registry.settle.bind(registry)
  registry.settle = async (keys) => {
    steps.push(`settle ${keys.map(({ oidcSessionId }) => oidcSessionId).join(' ')}`)
    await settle(keys)
  }
  const note = registry.notePending.bind(registry)
  registry.notePending = async (decided) => {
    noted.push(...decided)
    await note(decided)
  }
  const remove = backlog.remove.bind(backlog)
  backlog.remove = async (names) => {
    steps.push(`remove ${names.map(({ oidcSessionId }) => oidcSessionId).join(' ')}`)
    await remove(names)
  }

  const states = new ClientStates()
  const config = configOf(env)
  const ended = Promise.withResolvers<void>()
  const clients = new ClientPolicy(config.clients, issuers, ({ clientId }, note) =>
    clientNotes.push({ clientId, ...note }),
  )
  const core = new DeliveryCore({
    ...config.delivery,
    backlog,
    clock,
    outcomeTopic: config.kafka.outcomeTopic,
    registry,
    sender: isShadow ? new ShadowSender() : sender,
    clients,
    states,
    issuers,
    guard: { isIntact: true },
    events: {
      attempted: (report) => reports.push(report),
      settled: ({ kind }) => settled.push(kind),
      concluded: ({ kind }) => concluded.push(kind),
      parked: () => undefined,
      breakerOpened: ({ clientId }) => breakers.push(`${clientId} open`),
      breakerClosed: ({ clientId }) => breakers.push(`${clientId} closed`),
      published: () => undefined,
      fault: () => undefined,
    },
    log: {
      append: async (records) => {
        steps.push(`publish ${records.map(({ value }) => oidcSessionOf(value)).join(' ')}`)
        await Promise.race([acknowledged(), ended.promise])
        published.push(...records)
      },
    },
    settingsStore: { load: async (rps) => rps.map(() => settings) },
    transport: new BackchannelLogout({ clients, issuers, lateAfterMs: config.delivery.lateAfterMs }),
  })

  const stored = async (): Promise<void> => {
    await core.parking.idle()
    await core.settlement.idle()
  }
  /** Answers what is under way, and what follows from that, until nothing is. */
  const endAll = async (): Promise<void> => {
    ended.resolve()
    while (unanswered.size > 0 || core.dispatcher.inFlight > 0) {
      for (const attempt of unanswered) attempt.answer({ kind: 'answered', status: 200 })
      if (isSignedLater || isShadow) await new Promise((resolve) => setImmediate(resolve))
    }
    await stored()
  }
  onTestFinished(async () => {
    await endAll()
    expectIdle(core, config)
    core.stop()
  })

  return {
    attempts,
    backlog,
    breakers,
    clientNotes,
    clock,
    concluded,
    core,
    issuer,
    noted,
    published,
    registry,
    reports,
    settled,
    unanswered,
    states,
    steps,
    /** Admits registrations as intake would after a trigger, and tells whether each is settled. */
    async owe(
      registrations: Registration[],
      cause: { occurredAtMs?: number; everywhere?: boolean } = {},
      forMs = issuer.deadlineMs,
    ) {
      const sourceRecords = registrations.map(() => ({ isSettled: false, acknowledge: () => undefined }))
      for (const sourceRecord of sourceRecords) {
        sourceRecord.acknowledge = () => {
          sourceRecord.isSettled = true
          return undefined
        }
      }
      const rps = registrations.map(({ issuer, clientId }) => core.relyingParties.get(issuer, clientId))
      if (options.strangers !== true)
        for (const { standing } of rps) if (standing.kind === 'new') standing.ended(0, 5)
      await core.settings.refresh(rps)
      core.admission.admit(
        registrations.map((registration, i) => ({
          registration,
          cause: { origin: sampleOrigin(), occurredAtMs: clock.now(), everywhere: false, ...cause },
          deadlineMs: clock.now() + forMs,
          sourceRecord: sourceRecords[i] as { acknowledge(): void },
        })),
      )
      return sourceRecords
    },
    endAll,
    /** Resolves when everything that was decided so far is stored. */
    stored,
    outcomes(): Record<string, unknown>[] {
      return published.map(({ headers, value }) => ({ type: headers.ce_type, ...JSON.parse(String(value)) }))
    },
  }
}

/** What is signed in an attempt's token, with its `alg` and `typ`. */
export function tokenOf(attempt: SentAttempt | undefined): Record<string, unknown> {
  return JSON.parse(String(attempt?.body).replace('logout_token=', ''))
}

function oidcSessionOf(value: OutgoingRecord['value']): string {
  return (JSON.parse(String(value)) as { oidcSessionId: string }).oidcSessionId
}

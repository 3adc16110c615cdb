import { onTestFinished } from 'vitest'
import { type Config, readConfig } from '../../../src/config/env.ts'
import { DeliveryCore } from '../../../src/delivery/delivery-core.ts'
import type { AttemptReport } from '../../../src/delivery/delivery-events.ts'
import type { AttemptRequest, AttemptResult, Sender } from '../../../src/egress/sender.ts'
import { RelayFault } from '../../../src/errors.ts'
import type { Registration } from '../../../src/events/registration.ts'
import type { OutgoingRecord } from '../../../src/outcome/outcome-log.ts'
import type { RpSettings } from '../../../src/registry/rp-settings.ts'
import type { Signer } from '../../../src/token/signer.ts'
import { MemoryBacklog } from '../../support/memory-backlog.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER, sampleOrigin } from '../sample-registration.ts'

export interface SentAttempt extends AttemptRequest {
  /** Gives the attempt its result. */
  readonly answer: (result: AttemptResult) => void
}

interface FixtureOptions {
  readonly env?: Record<string, string>
  readonly settings?: RpSettings
  /** Whether a key can sign. */
  readonly hasKey?: boolean
  /** Resolves when the log acknowledges what was appended; rejects when it refuses. */
  readonly acknowledged?: () => Promise<void>
}

const requiredEnv = {
  KAFKA_BROKERS: 'localhost:9092',
  REDIS_URL: 'redis://localhost',
  ISSUER,
  SIGNING_KEYS_FILE: import.meta.filename,
}

export function configOf(env: Record<string, string> = {}): Config {
  return readConfig({ ...requiredEnv, ...env })
}

/** The whole delivery on stores in memory, with RPs that answer when a test says so and a token that can be read. */
export function deliveryFixture(options: FixtureOptions = {}) {
  const { env = {}, settings = {}, hasKey = true, acknowledged = async () => undefined } = options
  const clock = manualClock()
  const registry = new MemoryRegistry()
  const backlog = new MemoryBacklog()
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
  let tokens = 0

  const sender: Sender = {
    send: (request, answer) => attempts.push({ ...request, answer }),
    close: async () => undefined,
  }
  const signer: Pick<Signer, 'sign'> = {
    sign: (request) => {
      if (!hasKey) throw new RelayFault('LR_KEY_MISSING', `no ${request.alg} key signs now`)
      const { alg, typ, claims, late, registration } = request
      return {
        jti: `jti-${++tokens}`,
        token: Buffer.from(JSON.stringify({ alg, typ, claims, late, sid: registration.sid })),
      }
    },
  }
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

  const core = new DeliveryCore({
    backlog,
    clock,
    registry,
    sender,
    config: configOf(env),
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
        await acknowledged()
        published.push(...records)
      },
    },
    settingsStore: { load: async (rps) => rps.map(() => settings) },
    signerFor: (issuer) => (issuer === ISSUER ? (signer as Signer) : undefined),
  })

  // What a test leaves undecided would be looked at for ever, on the clock of whichever test comes next.
  onTestFinished(() => {
    core.parking.stop()
    core.settlement.stop()
  })

  return {
    attempts,
    backlog,
    breakers,
    clock,
    concluded,
    core,
    noted,
    published,
    registry,
    reports,
    settled,
    steps,
    /** Admits registrations as intake would after a trigger, and tells whether each is settled. */
    async owe(
      registrations: Registration[],
      cause: { occurredAtMs?: number; everywhere?: boolean } = {},
      forMs = 3_600_000,
    ) {
      const creditors = registrations.map(() => ({ isSettled: false, settled: () => undefined }))
      for (const creditor of creditors) {
        creditor.settled = () => {
          creditor.isSettled = true
          return undefined
        }
      }
      await core.settings.refresh(
        registrations.map(({ issuer, clientId }) => core.relyingParties.get(issuer, clientId)),
      )
      core.admission.admit(
        registrations.map((registration, i) => ({
          registration,
          cause: { origin: sampleOrigin(), occurredAtMs: clock.now(), everywhere: false, ...cause },
          deadlineMs: clock.now() + forMs,
          creditor: creditors[i] as { settled(): void },
        })),
      )
      return creditors
    },
    /** Resolves when everything that was decided so far is stored. */
    async stored(): Promise<void> {
      await core.parking.idle()
      await core.settlement.idle()
    },
    outcomes(): Record<string, unknown>[] {
      return published.map(({ headers, value }) => ({ type: headers.ce_type, ...JSON.parse(String(value)) }))
    },
  }
}

function oidcSessionOf(value: OutgoingRecord['value']): string {
  return (JSON.parse(String(value)) as { oidcSessionId: string }).oidcSessionId
}

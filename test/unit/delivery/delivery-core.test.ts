import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AttemptResult } from '../../../src/egress/sender.ts'
import type { HeldRegistration } from '../../../src/registry/registry.ts'
import { sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { configOf, deliveryFixture, expectIdle } from './delivery-fixture.ts'

const RPS = 4

type Step =
  | { kind: 'owe'; rps: number[]; deadlineMs: number; everywhere: boolean; isDecided: boolean }
  | { kind: 'answer'; which: number; result: AttemptResult }
  | { kind: 'pass'; ms: number }
  | { kind: 'look' }
  /** From then on Kafka takes outcomes, does not answer, or refuses the next. */
  | { kind: 'log'; does: 'take' | 'hang' | 'refuse' }

const unreachable = (code: string, staleConnection = false): AttemptResult => ({
  kind: 'unreachable',
  code,
  message: '',
  staleConnection,
})

const result: fc.Arbitrary<AttemptResult> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('answered' as const),
      status: fc.constantFrom(200, 400, 403, 503),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      unreachable('LR_ATTEMPT_TIMEOUT'),
      unreachable('ECONNREFUSED'),
      unreachable('EMFILE'),
      unreachable('ECONNRESET', true),
    ),
  },
  { weight: 1, arbitrary: fc.constant<AttemptResult>({ kind: 'blocked', message: 'not allowed' }) },
  {
    weight: 1,
    arbitrary: fc.constant<AttemptResult>({ kind: 'answered', status: 503, retryAfter: '7' }),
  },
)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('owe' as const),
      rps: fc.array(fc.nat(RPS - 1), { minLength: 1, maxLength: 6 }),
      deadlineMs: fc.constantFrom(0, 300, 5_000, 3_600_000),
      everywhere: fc.boolean(),
      isDecided: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat(40), result }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(50, 260, 1_100, 9_000) }),
  },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'look' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('log' as const),
      does: fc.constantFrom('take', 'take', 'hang', 'hang', 'refuse'),
    }),
  },
)

const settings = fc.record({
  env: fc.record({
    MAX_IN_FLIGHT: fc.constantFrom('1', '3', '256'),
    MAX_IN_FLIGHT_PER_RP: fc.constantFrom('1', '2', '8'),
    MAX_UNSETTLED: fc.constantFrom('2', '8', '320'),
    BREAKER_FAILURES: fc.constantFrom('1', '3'),
    RETRY_MAX_ATTEMPTS: fc.constantFrom('2', '50'),
    RETRY_DOUBTFUL_DELAYS_MS: fc.constantFrom('0', '100,200'),
  }),
  claims: fc.constantFrom('both' as const, 'sub' as const),
  isSignedLater: fc.boolean(),
})

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('whatever RPs answer and when: each delivery ends in one outcome or is parked, and nothing stays taken', async () => {
  await fc.assert(
    fc.asyncProperty(
      settings,
      fc.array(step, { maxLength: 60 }),
      async ({ env, claims, isSignedLater }, steps) => {
        let logDoes: Extract<Step, { kind: 'log' }>['does'] = 'take'
        const fixture = deliveryFixture({
          env: { ...env, RETRY_POLL_MS: '10' },
          settings: { claims },
          isSignedLater,
          acknowledged: async () => {
            if (logDoes === 'hang') await new Promise(() => undefined)
            if (logDoes === 'take') return
            logDoes = 'take'
            throw new Error('not enough replicas')
          },
        })
        const { attempts, backlog, clock, core, published, registry } = fixture
        const owed: HeldRegistration[] = []
        const settled: boolean[] = []
        const owe = async ({ rps, deadlineMs, everywhere, isDecided }: Extract<Step, { kind: 'owe' }>) => {
          const fresh = rps.map((rp): HeldRegistration => {
            const n = owed.length
            const registration = sampleRegistration({
              sessionId: `s${n}`,
              oidcSessionId: `o${n}`,
              clientId: `client-${rp}`,
            })
            owed.push(registration)
            settled.push(false)
            return registration
          })
          const origin = sampleOrigin()
          await registry.apply(fresh.map((registration) => ({ kind: 'register', registration, origin })))
          if (isDecided) {
            const outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 200 } as const
            const pendingOutcome = { outcome, origin, occurredAtMs: clock.now() }
            await registry.notePending([{ ...(fresh[0] as HeldRegistration), pendingOutcome }])
          }
          const held = (await registry.find(fresh)) as HeldRegistration[]
          await core.settings.refresh(
            fresh.map(({ issuer, clientId }) => core.relyingParties.get(issuer, clientId)),
          )
          core.admission.admit(
            held.map((registration, i) => ({
              registration,
              cause: { origin, occurredAtMs: clock.now(), everywhere },
              deadlineMs: clock.now() + deadlineMs,
              sourceRecord: {
                acknowledge: () => {
                  settled[owed.indexOf(fresh[i] as HeldRegistration)] = true
                },
              },
            })),
          )
        }
        core.backlogLoop.start()
        try {
          for (const it of steps) {
            if (it.kind === 'owe') await owe(it)
            else if (it.kind === 'answer') {
              const [attempt] = attempts.splice(it.which % Math.max(attempts.length, 1), 1)
              attempt?.answer(it.result)
            } else if (it.kind === 'log') logDoes = it.does
            else if (it.kind === 'pass') {
              clock.nowMs += it.ms
              for (let looks = 0; looks < it.ms / 50 && looks < 10; looks++) core.dispatcher.look()
            } else {
              core.backlogLoop.wake()
              await turn()
            }
          }
        } finally {
          await core.backlogLoop.stop()
        }
        logDoes = 'take'
        await fixture.endAll()
        expectIdle(core, configOf(env))
        const ended = published.map(({ value }) => JSON.parse(String(value)) as { oidcSessionId: string })
        const ends = [...ended, ...backlog.parked].map(({ oidcSessionId }) => oidcSessionId)
        expect(ends.sort()).toEqual(owed.map(({ oidcSessionId }) => oidcSessionId).sort())
        expect(settled).not.toContain(false)
      },
    ),
    { numRuns: 150 },
  )
})

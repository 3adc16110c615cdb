import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SettledByLog } from '../../src/events/outcome.ts'
import type { Registration } from '../../src/events/registration.ts'
import type { Ending, OwedGroup } from '../../src/registry/ending.ts'
import {
  type HeldRegistration,
  type PendingOutcome,
  partsOf,
  type Registry,
  type RegistryAnswer,
  type RegistryStep,
} from '../../src/registry/registry.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../unit/sample-registration.ts'

export interface RegistryUnderTest extends AsyncDisposable {
  readonly registry: Registry
}

/** The tests' registrations are made between these two. */
const EARLY = 1_700_000_000_000
const LATE = EARLY + 60_000

const byFirst = sampleEnding({
  origin: sampleOrigin({ id: 'first', offset: 1 }),
  occurredAtMs: LATE,
  untilMs: LATE,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=a b;c,other@x=1',
})
const bySecond = sampleEnding({
  origin: sampleOrigin({ id: 'second', offset: 2 }),
  occurredAtMs: LATE,
  untilMs: LATE,
})

function register(registration: Registration): RegistryStep {
  return { kind: 'register', registration, origin: sampleOrigin({ id: 'registration' }) }
}

function endSession(sessionId: string, ending: Ending = byFirst, issuer = ISSUER): RegistryStep {
  return { kind: 'end-session', issuer, sessionId, ending }
}

function endUser(userId: string, untilMs: number, by: Ending = byFirst, issuer = ISSUER): RegistryStep {
  return { kind: 'end-user', issuer, userId, ending: endingEverywhere(untilMs, by) }
}

function endingEverywhere(untilMs: number, by: Ending = byFirst): Ending {
  return { ...by, everywhere: true, occurredAtMs: untilMs, untilMs }
}

/** An outcome of the registration, written now. */
function outcomeOf({ issuer, sessionId, oidcSessionId, registeredAtMs = 0 }: Registration): SettledByLog {
  return {
    issuer,
    sessionId,
    oidcSessionId,
    registeredAtMs,
    recordedAtMs: Date.now(),
    origin: byFirst.origin,
  }
}

/** Joins all parts of an answer. */
export async function whole(answer: RegistryAnswer | undefined): Promise<RegistryAnswer | undefined> {
  if (answer?.kind !== 'owed' || answer.next === undefined) return answer
  const groups: OwedGroup[] = []
  for await (const part of partsOf(answer)) groups.push(...part.groups)
  return { kind: 'owed', groups }
}

/** What is owed, sorted: registrations of one session have no order. */
function owedNames(answer: RegistryAnswer | undefined): string[] {
  return owedBy(answer)
    .map(({ sessionId, oidcSessionId }) => `${sessionId}/${oidcSessionId}`)
    .sort()
}

function owedBy(answer: RegistryAnswer | undefined): HeldRegistration[] {
  if (answer?.kind !== 'owed') throw new Error(`expected what is owed, got ${answer?.kind}`)
  return answer.groups.flatMap(({ registrations }) => registrations)
}

/** The trigger that each registration is owed by, and its relation to the step. */
function relations(answer: RegistryAnswer | undefined): string[] {
  if (answer?.kind !== 'owed') throw new Error(`expected what is owed, got ${answer?.kind}`)
  return answer.groups
    .flatMap(({ relation, ending, registrations }) =>
      registrations.map(({ oidcSessionId }) => `${oidcSessionId} ${relation} ${ending.origin.id}`),
    )
    .sort()
}

/** The contract of every registry. Each test gets an empty one. */
export function testRegistry(name: string, create: () => Promise<RegistryUnderTest>): void {
  describe(`registry: ${name}`, () => {
    let fixture: RegistryUnderTest
    let registry: Registry

    beforeEach(async () => {
      fixture = await create()
      registry = fixture.registry
    })
    afterEach(() => fixture[Symbol.asyncDispose]())

    const apply = (...steps: RegistryStep[]) => registry.apply(steps)
    const applyOne = async (step: RegistryStep) => whole((await registry.apply([step]))[0])

    const a = sampleRegistration({ oidcSessionId: 'a', clientId: 'client-a', registeredAtMs: EARLY })
    const b = sampleRegistration({ oidcSessionId: 'b', clientId: 'client-b', registeredAtMs: EARLY })
    const elsewhere = sampleRegistration({
      oidcSessionId: 'c',
      sessionId: 'session-2',
      registeredAtMs: EARLY,
    })

    describe('sessions', () => {
      test.each([
        ['read before its login', (own: RegistryStep, other: RegistryStep) => [other, register(a), own]],
        ['read after it', (own: RegistryStep, other: RegistryStep) => [register(a), other, own]],
        ['read after its own end', (own: RegistryStep, other: RegistryStep) => [register(a), own, other]],
      ])('a trigger that names another user ends nothing of the session: %s', async (_, order) => {
        const own = endSession('session-1', { ...byFirst, userId: 'user-1' })
        const other = endSession('session-1', { ...bySecond, untilMs: LATE + 1, userId: 'user-2' })
        const answers = await apply(
          ...order(
            { ...own, userId: 'user-1' } as RegistryStep,
            { ...other, userId: 'user-2' } as RegistryStep,
          ),
        )
        expect(answers.flatMap((it) => (it.kind === 'owed' ? relations(it) : []))).toEqual(['a fresh first'])
        expect(answers.flatMap((it) => (it.kind === 'registered' ? [it.endedBy] : []))).toEqual([undefined])
        // A late login belongs to the end of its own user.
        expect(await applyOne(register(b))).toMatchObject({ endedBy: { origin: byFirst.origin } })
      })

      test('what was registered is owed when the session ends, whole and to each RP', async () => {
        const full = sampleRegistration({
          alg: 'ES256',
          typ: 'JWT',
          claims: 'sid',
          sessionRequired: true,
          sub: 'p',
          sid: 'x',
        })
        await apply(register(a), register(b), register(elsewhere), register(full))
        const [answer] = await apply(endSession('session-1'))
        expect(owedNames(answer)).toEqual(['session-1/a', 'session-1/b', 'session-1/oidc-1'])
        expect(answer).toMatchObject({ groups: [{ relation: 'fresh', ending: byFirst, broken: [] }] })
        expect(owedBy(answer)).toContainEqual(full)
      })

      test('an unknown session owes nothing', async () => {
        expect(owedNames(await applyOne(endSession('nobody')))).toEqual([])
      })

      test('the same session id at another issuer is another session', async () => {
        await apply(register(a))
        expect(owedNames(await applyOne(endSession('session-1', byFirst, 'https://other.example')))).toEqual(
          [],
        )
        expect(owedNames(await applyOne(endSession('session-1')))).toEqual(['session-1/a'])
      })

      test('steps see the effect of the steps before them, and none of those after', async () => {
        const answers = await apply(
          endSession('session-1'),
          register(a),
          endSession('session-2'),
          register(elsewhere),
          endSession('session-1'),
        )
        expect(answers.map(({ kind }) => kind)).toEqual(['owed', 'registered', 'owed', 'registered', 'owed'])
        expect(owedNames(answers[0])).toEqual([])
        expect(answers[1]).toEqual({ kind: 'registered', endedBy: byFirst })
        expect(owedNames(answers[2])).toEqual([])
        expect(owedNames(answers[4])).toEqual(['session-1/a'])
      })

      test('a registration that is written again replaces itself', async () => {
        const moved = { ...a, backchannelLogoutUri: 'https://rp.example/moved' }
        expect(await apply(register(a), register(moved))).toEqual([
          { kind: 'registered' },
          { kind: 'registered', isRepeated: true },
        ])
        expect(await registry.find([a])).toEqual([moved])
      })

      test('a trigger that comes again owes the same until it is settled, and then nothing', async () => {
        await apply(register(a), register(b))
        expect(owedNames(await applyOne(endSession('session-1')))).toEqual(['session-1/a', 'session-1/b'])
        expect(owedNames(await applyOne(endSession('session-1')))).toEqual(['session-1/a', 'session-1/b'])
        await registry.settle([a])
        expect(owedNames(await applyOne(endSession('session-1', bySecond)))).toEqual(['session-1/b'])
        await registry.settle([a, b])
        expect(owedNames(await applyOne(endSession('session-1')))).toEqual([])
      })

      test('nothing to do is done', async () => {
        expect(await registry.apply([])).toEqual([])
        expect(await registry.find([])).toEqual([])
        await registry.settle([])
        await registry.forget([])
      })
    })

    describe('outcomes that are not on the topic yet', () => {
      const pendingOutcome: PendingOutcome = {
        outcome: { kind: 'sent', jti: 'jti-1', attempts: 2, status: 204 },
        origin: byFirst.origin,
        occurredAtMs: LATE,
        traceparent: '00-1-2-01',
      }
      const failed: PendingOutcome = {
        outcome: {
          kind: 'failed',
          reason: 'rejected',
          attempts: 1,
          lastStatus: 400,
          lastError: 'HTTP "400"',
          origin: 'https://rp.example:8443',
        },
        origin: bySecond.origin,
        occurredAtMs: LATE,
      }

      test('one that is noted comes with its registration, whoever asks, and only with that', async () => {
        await apply(register(a), register(b), endSession('session-1'))
        await registry.notePending([{ ...a, pendingOutcome }])
        const noted = { ...a, pendingOutcome }
        expect(await registry.find([a, b])).toEqual([noted, b])
        const answer = await applyOne(endSession('session-1', bySecond))
        expect(owedNames(answer)).toEqual(['session-1/a', 'session-1/b'])
        expect(owedBy(answer)).toContainEqual(noted)
      })

      test('several at once, of all kinds, and the first of each stays', async () => {
        await apply(register(a), register(b), register(elsewhere))
        await registry.notePending([a, b].map((it) => ({ ...it, pendingOutcome: failed })))
        await registry.notePending([a, elsewhere].map((it) => ({ ...it, pendingOutcome })))
        expect(await registry.find([a, b, elsewhere])).toEqual([
          { ...a, pendingOutcome: failed },
          { ...b, pendingOutcome: failed },
          { ...elsewhere, pendingOutcome },
        ])
      })

      test('what is settled or unknown does not come back by it', async () => {
        await apply(register(a), endSession('session-1'))
        await registry.settle([a])
        await registry.notePending([a, elsewhere].map((it) => ({ ...it, pendingOutcome })))
        expect(await registry.find([a, elsewhere])).toEqual([undefined, undefined])
      })

      test('it goes with its registration, settled or written again', async () => {
        await apply(register(a), register(b))
        await registry.notePending([a, b].map((it) => ({ ...it, pendingOutcome })))
        await registry.settle([a])
        await apply(register(a), register(b))
        expect(await registry.find([a, b])).toEqual([a, b])
      })
    })

    describe('late registrations', () => {
      test('one that comes after the end of its session is owed at once, by the trigger that ended it', async () => {
        await apply(endSession('session-1', byFirst), endSession('session-1', bySecond))
        expect(await applyOne(register(a))).toEqual({ kind: 'registered', endedBy: byFirst })
        expect(await registry.find([a])).toEqual([a])
      })

      test('one that comes again before it is settled is owed again', async () => {
        await apply(register(a), endSession('session-1'))
        expect(await applyOne(register(a))).toEqual({
          kind: 'registered',
          isRepeated: true,
          endedBy: byFirst,
        })
      })

      test('one that was settled is not written again', async () => {
        await apply(register(a), register(b), endSession('session-1'))
        await registry.settle([a])
        await registry.settle([a])
        expect(await apply(register(a), register(b))).toEqual([
          { kind: 'already-settled' },
          { kind: 'registered', isRepeated: true, endedBy: byFirst },
        ])
        expect(await registry.find([a, b])).toEqual([undefined, b])
      })

      test('an id that is a part of a settled one is not taken for it', async () => {
        const long = { ...a, oidcSessionId: 'abc' }
        await apply(register(long), endSession('session-1'))
        await registry.settle([long])
        for (const oidcSessionId of ['ab', 'bc', 'b', 'a', 'abcd', '.bc', 'first']) {
          expect(await applyOne(register({ ...a, oidcSessionId }))).toEqual({
            kind: 'registered',
            endedBy: byFirst,
          })
        }
      })
    })

    describe('sign-out everywhere', () => {
      test('ends every session of the user and none of another', async () => {
        const other = sampleRegistration({ userId: 'user-2', sessionId: 'session-3', registeredAtMs: EARLY })
        await apply(register(a), register(b), register(elsewhere), register(other))
        expect(owedNames(await applyOne(endUser('user-1', LATE)))).toEqual([
          'session-1/a',
          'session-1/b',
          'session-2/c',
        ])
        expect(owedNames(await applyOne(endUser('user-1', LATE, byFirst, 'https://other.example')))).toEqual(
          [],
        )
        expect(await registry.find([other])).toEqual([other])
      })

      test('leaves later logins untouched', async () => {
        const later = { ...elsewhere, registeredAtMs: LATE + 1 }
        await apply(register(a), register(later))
        expect(owedNames(await applyOne(endUser('user-1', LATE)))).toEqual(['session-1/a'])
        expect(await applyOne(register({ ...later, oidcSessionId: 'd' }))).toEqual({ kind: 'registered' })
        const ending = { ...bySecond, untilMs: LATE + 1 }
        expect(owedNames(await applyOne(endSession('session-2', ending)))).toEqual([
          'session-2/c',
          'session-2/d',
        ])
      })

      test('reaches what is registered at the very moment, and what has no time', async () => {
        const { registeredAtMs, ...timeless } = elsewhere
        await apply(register({ ...a, registeredAtMs: LATE }), register(timeless))
        expect(owedNames(await applyOne(endUser('user-1', LATE)))).toEqual(['session-1/a', 'session-2/c'])
      })

      test('reaches a registration whose record comes after it', async () => {
        await apply(endUser('user-1', LATE, byFirst))
        const endedBy = endingEverywhere(LATE)
        expect(await applyOne(register(a))).toEqual({ kind: 'registered', endedBy })
        expect(await applyOne(register({ ...elsewhere, userId: 'user-2' }))).toEqual({ kind: 'registered' })
        // The session has ended with it, also for earlier registrations of another user.
        const other = { ...b, userId: 'user-2' }
        expect(await applyOne(register(other))).toEqual({ kind: 'registered', endedBy })
        expect(await applyOne(register({ ...b, registeredAtMs: LATE + 1 }))).toEqual({
          kind: 'registered',
          isRepeated: true,
        })
      })

      test('marks the sessions as ended', async () => {
        await apply(register(a), endUser('user-1', LATE, bySecond))
        expect(await applyOne(register(b))).toEqual({
          kind: 'registered',
          endedBy: endingEverywhere(LATE, bySecond),
        })
      })

      test('sees what was registered before it in the same batch, and not what comes after', async () => {
        const answers = await apply(
          register(a),
          endUser('user-1', LATE),
          register({ ...elsewhere, registeredAtMs: LATE + 1 }),
        )
        expect(owedNames(answers[1])).toEqual(['session-1/a'])
        expect(answers[2]).toEqual({ kind: 'registered' })
      })

      test('owes nothing any more when all is settled', async () => {
        await apply(register(a), register(elsewhere), endUser('user-1', LATE))
        await registry.settle([a, elsewhere])
        expect(owedNames(await applyOne(endUser('user-1', LATE)))).toEqual([])
        expect(await apply(register(a), register(elsewhere))).toEqual([
          { kind: 'already-settled' },
          { kind: 'already-settled' },
        ])
      })

      test('an older sign-out that comes again takes nothing from a newer one', async () => {
        await apply(endUser('user-1', LATE, bySecond), endUser('user-1', EARLY - 1, byFirst))
        expect(await applyOne(register(a))).toEqual({
          kind: 'registered',
          endedBy: endingEverywhere(LATE, bySecond),
        })
      })
    })

    describe('two triggers, one session', () => {
      const untilLater = { ...bySecond, occurredAtMs: LATE + 60_000, untilMs: LATE + 60_000 }

      test('the same record again is told from a further trigger, which changes nothing', async () => {
        await apply(register(a), register(b))
        expect(relations(await applyOne(endSession('session-1')))).toEqual(['a fresh first', 'b fresh first'])
        expect(relations(await applyOne(endSession('session-1')))).toEqual(['a again first', 'b again first'])
        expect(relations(await applyOne(endSession('session-1', bySecond)))).toEqual([
          'a further first',
          'b further first',
        ])
        expect(relations(await applyOne(endUser('user-1', LATE, bySecond)))).toEqual([
          'a further first',
          'b further first',
        ])
        expect(relations(await applyOne(endSession('session-1')))).toEqual(['a again first', 'b again first'])
      })

      test.each([{ offset: 2 }, { partition: 5 }, { topic: 'other' }, { id: 'other' }])(
        'a record with %j is another one',
        async (other) => {
          await apply(register(a), endSession('session-1'))
          const ending = { ...byFirst, origin: { ...byFirst.origin, ...other } }
          expect(relations(await applyOne(endSession('session-1', ending)))).toEqual(['a further first'])
        },
      )

      test('the record that came again is told what the first time was said, whatever it says now', async () => {
        await apply(register(a), endSession('session-1'))
        const now = { ...byFirst, untilMs: LATE + 1, deadlineMs: 1, traceparent: 'another' }
        expect(await applyOne(endSession('session-1', now))).toMatchObject({
          groups: [{ relation: 'again', ending: byFirst }],
        })
      })

      test('a further trigger that means later registrations as well ends those that are read late', async () => {
        await apply(register(a), endSession('session-1'))
        expect(relations(await applyOne(endSession('session-1', untilLater)))).toEqual(['a further first'])
        expect(await apply(register(b), register({ ...b, registeredAtMs: LATE + 1 }))).toEqual([
          { kind: 'registered', endedBy: byFirst },
          { kind: 'registered', isRepeated: true, endedBy: untilLater },
        ])
      })

      test('a session that is used again ends again, and what the first end meant stays with it', async () => {
        const again = { ...b, registeredAtMs: LATE + 1 }
        await apply(register(a), endSession('session-1'), register(again))
        expect(relations(await applyOne(endSession('session-1')))).toEqual(['a again first'])
        expect(relations(await applyOne(endSession('session-1', untilLater)))).toEqual([
          'a further first',
          'b fresh second',
        ])
        expect(relations(await applyOne(endSession('session-1', untilLater)))).toEqual([
          'a further first',
          'b again second',
        ])
        expect(relations(await applyOne(endSession('session-1')))).toEqual(['a again first'])
        const late = { ...a, oidcSessionId: 'late', registeredAtMs: LATE + 2 }
        expect(await applyOne(register(late))).toEqual({ kind: 'registered', endedBy: untilLater })
      })
    })

    describe('the same two ids again', () => {
      const later = { ...a, registeredAtMs: LATE + 1 }
      const byThird = { ...bySecond, untilMs: LATE + 10 }

      test('a login after the end is a new one, told by the next end and by nothing else', async () => {
        await apply(register(a), endSession('session-1'))
        await registry.settle([a])
        expect(await applyOne(register(later))).toEqual({ kind: 'registered' })
        expect(await registry.find([a])).toEqual([later])
        expect(relations(await applyOne(endSession('session-1')))).toEqual([])
        expect(await applyOne(register(a))).toEqual({ kind: 'already-settled' })
        expect(await registry.find([a])).toEqual([later])
        expect(relations(await applyOne(endSession('session-1', byThird)))).toEqual(['a fresh second'])
        await registry.settle([later])
        expect(await apply(register(a), register(later))).toEqual([
          { kind: 'already-settled' },
          { kind: 'already-settled' },
        ])
      })

      test('an outcome of the earlier login that comes last does not bring the later one back', async () => {
        await apply(register(later), endSession('session-1', byThird))
        await registry.settle([later])
        await registry.settle([a])
        expect(await applyOne(register(later))).toEqual({ kind: 'already-settled' })
      })

      test('the earlier login does not take the place of the later one that was read before it', async () => {
        await apply(register(later))
        expect(await apply(register(a), register(later))).toEqual([
          { kind: 'already-settled' },
          { kind: 'registered', isRepeated: true },
        ])
        expect(await registry.find([a])).toEqual([later])
      })

      test('the outcome of the first says nothing of the second, decided, settled or read from the log', async () => {
        const pendingOutcome: PendingOutcome = {
          outcome: { kind: 'sent', jti: 'jti-1', attempts: 1, status: 200 },
          origin: byFirst.origin,
          occurredAtMs: LATE,
        }
        await apply(register(a), endSession('session-1'), register(later))
        await registry.notePending([{ ...a, pendingOutcome }])
        await registry.settle([a])
        await registry.forget([outcomeOf(a)])
        expect(await registry.find([a])).toEqual([later])
        await registry.forget([outcomeOf(later)])
        expect(await registry.find([a])).toEqual([undefined])
      })

      test('a sign-out everywhere before the login leaves it alone, whatever stands of the session', async () => {
        await apply(register(a), endUser('user-1', LATE))
        await registry.settle([a])
        expect(await applyOne(register(later))).toEqual({ kind: 'registered' })
        expect(owedNames(await applyOne(endUser('user-1', LATE)))).toEqual([])
        expect(await applyOne(endUser('user-1', LATE + 1, bySecond))).toMatchObject({
          groups: [{ relation: 'fresh', registrations: [later] }],
        })
      })

      test('a sign-out everywhere that was read before the login ends it, whatever stands of the session', async () => {
        await apply(endSession('session-1'), endUser('user-1', LATE + 10, bySecond))
        expect(await applyOne(register(later))).toEqual({
          kind: 'registered',
          endedBy: endingEverywhere(LATE + 10, bySecond),
        })
      })
    })

    test('in whatever order its records are read, a registration is told if and only if an end means it', async () => {
      let runs = 0
      const atMs = fc.integer({ min: 0, max: 20 }).map((n) => EARLY + n)
      const registered = fc.record({ kind: fc.constant('register' as const), atMs, session: fc.nat(1) })
      const ended = fc.record({
        kind: fc.constantFrom('end-session' as const, 'end-user' as const),
        atMs,
        session: fc.nat(1),
      })
      const history = fc
        .tuple(
          fc.array(registered, { minLength: 1, maxLength: 4 }),
          fc.array(ended, { minLength: 1, maxLength: 3 }),
        )
        .chain(([logins, ends]) => {
          const records = [
            ...logins.map((it, i) => ({ ...it, name: `login-${i}` })),
            ...ends.map((it, i) => ({ ...it, name: `end-${i}` })),
          ]
          // Each may come twice.
          const read = fc
            .shuffledSubarray(records, { minLength: 0 })
            .chain((again) =>
              fc.shuffledSubarray([...records, ...again], { minLength: records.length + again.length }),
            )
          return fc.tuple(fc.constant(records), read)
        })
      await fc.assert(
        fc.asyncProperty(history, async ([records, read]) => {
          const run = `run-${runs++}`
          const sessionOf = (session: number) => `${run}-session-${session}`
          const stepOf = ({ kind, name, atMs: at, session }: (typeof records)[number]): RegistryStep => {
            const sessionId = sessionOf(session)
            if (kind === 'register')
              return register(
                sampleRegistration({ sessionId, userId: run, oidcSessionId: name, registeredAtMs: at }),
              )
            const by = { ...byFirst, origin: sampleOrigin({ id: name }), untilMs: at }
            return kind === 'end-session' ? endSession(sessionId, by) : endUser(run, at, by)
          }
          const told = new Set<string>()
          for (const record of read) {
            const answer = await applyOne(stepOf(record))
            if (answer?.kind === 'owed') for (const it of owedBy(answer)) told.add(it.oidcSessionId)
            else if (answer?.kind === 'registered' && answer.endedBy !== undefined) told.add(record.name)
          }
          const meant = records.filter(
            (login) =>
              login.kind === 'register' &&
              records.some(
                (end) =>
                  end.kind !== 'register' &&
                  end.atMs >= login.atMs &&
                  (end.kind === 'end-user' || end.session === login.session),
              ),
          )
          expect([...told].sort()).toEqual(meant.map(({ name }) => name).sort())
        }),
        { numRuns: 200 },
      )
    })

    describe('what is settled is known', () => {
      test('of each name, up to its date', async () => {
        await apply(register(a), register(b), endSession('session-1'))
        await registry.settle([a])
        const { registeredAtMs: _, ...timeless } = a
        const later = { ...a, registeredAtMs: LATE + 1 }
        expect(await registry.areSettled([timeless, a, later, b, elsewhere])).toEqual([
          true,
          true,
          false,
          false,
          false,
        ])
      })

      test('one without a date is settled up to the end of its session', async () => {
        const { registeredAtMs: _, ...timeless } = a
        await apply(register(timeless), endSession('session-1'))
        await registry.settle([timeless])
        expect(await apply(register(a), register({ ...a, registeredAtMs: LATE + 1 }))).toEqual([
          { kind: 'already-settled' },
          { kind: 'registered' },
        ])
      })
    })

    describe('settle, forget, find', () => {
      // The date of `b` is later than the end that the outcome of `a` states.
      test.each([
        ['an earlier version, which named it by its position alone', 't/0/1', ['b again t/0/1@2']],
        ['its former life', 't/0/1@1', ['b fresh t/0/1@2']],
      ])('a trigger without an id, and an outcome that stands for its place from %s', async (_, id, owed) => {
        const place = { topic: 't', partition: 0, offset: 1 }
        const later = { ...b, registeredAtMs: EARLY + 30_000 }
        await registry.forget([
          { ...outcomeOf(a), origin: sampleOrigin({ id, ...place }), occurredAtMs: EARLY },
        ])
        await apply(register(later))
        const own = { ...byFirst, origin: sampleOrigin({ id: 't/0/1@2', ...place }), deadlineMs: LATE + 1 }
        expect(relations(await applyOne(endSession('session-1', own)))).toEqual(owed)
      })

      test('what is settled is gone, and only that', async () => {
        await apply(register(a), register(b), register(elsewhere))
        await registry.settle([a, elsewhere])
        expect(await registry.find([a, b, elsewhere])).toEqual([undefined, b, undefined])
      })

      test('find answers in the order of the keys', async () => {
        await apply(register(a), register(b))
        const nobody = { ...a, oidcSessionId: 'nobody' }
        expect(await registry.find([b, nobody, a, b])).toEqual([b, undefined, a, b])
      })

      test('what is forgotten is gone', async () => {
        await apply(register(a), register(b))
        await registry.forget([outcomeOf(a)])
        expect(await registry.find([a, b])).toEqual([undefined, b])
      })

      test('what is forgotten before it was registered is not registered later', async () => {
        await registry.forget([outcomeOf(a)])
        await registry.forget([outcomeOf(a)])
        expect(await applyOne(register(a))).toEqual({ kind: 'already-settled' })
        expect(await registry.find([a])).toEqual([undefined])
      })

      test('thousands at once', async () => {
        const many = Array.from({ length: 3_000 }, (_, i) =>
          sampleRegistration({ sessionId: `s${i % 50}`, oidcSessionId: `o${i}`, registeredAtMs: EARLY }),
        )
        await registry.apply(many.map(register))
        expect(owedNames(await applyOne(endUser('user-1', LATE)))).toHaveLength(3_000)
        await registry.settle(many.slice(0, 2_999))
        expect(owedNames(await applyOne(endUser('user-1', LATE)))).toEqual(['s49/o2999'])
      })
    })
  })
}

import { expect, test } from 'vitest'
import type { SettledByLog } from '../../../src/events/outcome.ts'
import { BeforeStart } from '../../../src/intake/before-start.ts'
import type { OwedGroup } from '../../../src/registry/ending.ts'
import { type OwedAnswer, partsOf, type RegistryStep } from '../../../src/registry/registry.ts'
import { ISSUER, sampleEnding, sampleRegistration } from '../sample-registration.ts'

const ending = sampleEnding()
const step: RegistryStep = { kind: 'end-user', issuer: ISSUER, userId: 'user-1', ending }
const group = (oidcSessionId: string, relation: OwedGroup['relation']): OwedGroup => ({
  relation,
  ending,
  registrations: [sampleRegistration({ oidcSessionId })],
  broken: [],
})

test('all parts of an old trigger end in silence, less what another trigger ends', async () => {
  const forgotten: SettledByLog[] = []
  const beforeStart = new BeforeStart({
    isBeforeStart: async () => true,
    registry: { forget: async (settled) => void forgotten.push(...settled) },
  })
  const answer = await beforeStart.settleSilently(step, {
    kind: 'owed',
    groups: [group('a', 'fresh'), group('told', 'further')],
    next: async () => ({ kind: 'owed', groups: [group('b', 'again')], refused: 'a wrong type' }),
  })
  const parts: OwedAnswer[] = []
  for await (const part of partsOf(answer as OwedAnswer)) parts.push(part)
  expect(parts).toMatchObject([
    { kind: 'owed', groups: [] },
    { kind: 'owed', groups: [] },
  ])
  expect(parts.every(({ refused }) => refused === undefined)).toBe(true)
  expect(forgotten.map(({ oidcSessionId }) => oidcSessionId)).toEqual(['a', 'b'])
})

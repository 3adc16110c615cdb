import { expect, test } from 'vitest'
import { OwnBacklog } from '../../../src/recovery/own-backlog.ts'
import { MemoryBacklog } from '../../support/memory-backlog.ts'
import { sampleOrigin } from '../sample-registration.ts'

const parked = (rpKey: string, sessionId: string) => ({
  rpKey,
  sessionId,
  issuer: 'https://i.example',
  oidcSessionId: 'o',
  dueMs: 1,
  state: {
    attempts: 0,
    doubtful: 0,
    deadlineMs: 9_000,
    cause: { origin: sampleOrigin(), occurredAtMs: 0, everywhere: false },
  },
})

test('it looks at the RPs only at which it has parked something, or was told to', async () => {
  const shared = new MemoryBacklog()
  const own = new OwnBacklog(shared)
  await shared.park([parked('a', '1'), parked('b', '2'), parked('c', '3')])
  expect(await own.dueRps(5, 0, 10)).toEqual([])
  await own.park([parked('b', '4')])
  own.watch('c')
  expect((await own.dueRps(5, 0, 10)).sort()).toEqual(['b', 'c'])
  expect(await own.dueRps(5, 1, 10)).toHaveLength(1)
  // Of such an RP it takes what is due, whoever parked it.
  expect(await own.claim('b', 5, 100, 10)).toHaveLength(2)
})

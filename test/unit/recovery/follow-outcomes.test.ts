import { expect, test } from 'vitest'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import type { Outcome } from '../../../src/events/outcome.ts'
import { FollowOutcomes } from '../../../src/recovery/follow-outcomes.ts'
import { ReplayTally } from '../../../src/recovery/replay-tally.ts'
import { MemoryLog } from '../../support/memory-log.ts'
import { sampleOrigin, sampleRegistration } from '../sample-registration.ts'

const TOPIC = 'outcomes'
const sent: Outcome = { kind: 'sent', jti: 'j', attempts: 1, status: 200 }

test('an outcome that is fetched behind the end of one look is read by the next', async () => {
  const log = new MemoryLog({ [TOPIC]: 1 })
  const registrations = ['a', 'b', 'c'].map((oidcSessionId) => sampleRegistration({ oidcSessionId }))
  const publish = (i: number) => {
    const cause = { origin: sampleOrigin(), occurredAtMs: 1, everywhere: false }
    log.appendOutgoing(outcomeRecord(TOPIC, sent, registrations[i] ?? sampleRegistration(), cause), 0, 1)
  }
  const tally = new ReplayTally()
  for (const it of registrations) tally.add(it)
  const follow = new FollowOutcomes(log, TOPIC, tally, () => undefined)
  await follow.start()
  publish(0)
  const read = log.read.bind(log)
  // The batch also holds records written after the ends were read, as a broker sends it.
  log.read = async (ranges, take, signal) => {
    log.read = read
    publish(1)
    await read(ranges, (batch) => take({ ...batch, nextOffset: batch.nextOffset + 1 }), signal)
  }
  const { signal } = new AbortController()
  await follow.look(signal)
  expect(tally.counts.sent).toBe(1)
  publish(2)
  await follow.look(signal)
  expect(tally.counts.sent).toBe(3)
})

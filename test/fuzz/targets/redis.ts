import type { ParkedState } from '../../../src/delivery/backlog.ts'
import { decodeMember, decodeProgress, encodeMember } from '../../../src/redis/parked-state.ts'
import { readInfo } from '../../../src/redis/redis-info.ts'
import { readMarks, readSettled, writeMark } from '../../../src/redis/session-mark.ts'
import { readStored } from '../../../src/redis/stored-registration.ts'
import { sampleEnding, sampleRegistration } from '../../unit/sample-registration.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'

const { registeredAtMs, ...stored } = sampleRegistration()
const trace = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=a b',
}
const ending = sampleEnding()
const pendingOutcome = {
  outcome: { kind: 'failed', reason: 'expired', attempts: 2, lastStatus: 503, lastError: 'HTTP 503' },
  origin: ending.origin,
  occurredAtMs: ending.occurredAtMs,
}

function member(more: Partial<ParkedState['cause']>): string {
  const cause = { origin: ending.origin, occurredAtMs: ending.occurredAtMs, everywhere: false, ...more }
  const { issuer, sessionId, oidcSessionId } = stored
  const state = { cause, deadlineMs: ending.deadlineMs ?? 0, attempts: 0, doubtful: 0 }
  return encodeMember({ rpKey: `${issuer}|shop`, issuer, sessionId, oidcSessionId, state })
}

export const redisTargets: readonly FuzzTarget[] = [
  {
    name: 'stored-registrations',
    samples: texts(
      JSON.stringify({ ...stored, registeredAt: registeredAtMs }),
      JSON.stringify({ ...stored, pendingOutcome, alg: 'ES256', claims: 'sub' }),
    ),
    parse: (input) => {
      const key = { issuer: stored.issuer, sessionId: 'the-key-s', oidcSessionId: 'the-key-o' }
      const found = readStored(input.toString(), key)
      if (found.sessionId !== key.sessionId || found.oidcSessionId !== key.oidcSessionId)
        throw new Error('the ids inside win over those of the key')
      return found
    },
    isRead: (output) => !('reason' in (output as object)),
  },
  {
    name: 'tombstones',
    samples: texts(
      `${writeMark(ending)}\no-1\t1700000000000\no-2\t1700000000001`,
      `${writeMark({ ...ending, ...trace })}\n\t${writeMark(ending)}\no-1`,
      'written by the provider',
    ),
    parse: (input) => [readMarks(input.toString(), ending), ...readSettled(input.toString())],
  },
  {
    name: 'backlog-members',
    samples: texts(member({}), member({ untilMs: ending.untilMs }), member(trace)),
    parse: (input) => decodeMember(input.toString()),
  },
  {
    name: 'backlog-progress',
    samples: texts('[3,1,503,"HTTP 503"]', '[1,0,0,""]', ''),
    parse: (input) => decodeProgress(input.toString()),
  },
  {
    name: 'redis-info',
    samples: texts(
      '# Server\r\nredis_version:7.2.4\r\nrun_id:0123456789abcdef\r\n\r\n# Memory\r\nmaxmemory:0\r\n',
    ),
    parse: (input) => [...readInfo(input.toString())],
  },
]

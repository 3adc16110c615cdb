import fc from 'fast-check'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { AttemptReport } from '../../../src/delivery/delivery-events.ts'
import { planDeliveries } from '../../../src/delivery/resolve.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { RelayEvents } from '../../../src/telemetry/relay-events.ts'
import { anyText } from '../../support/any-text.ts'
import { knownRelyingParties } from '../delivery/known-relying-parties.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

function report(trigger: string, sessionId: string, clientId: string): AttemptReport {
  const registration = sampleRegistration({ sessionId, clientId, sub: 'hidden-sub', sid: 'hidden-sid' })
  const cause = { origin: sampleOrigin({ id: trigger }), occurredAtMs: 0, everywhere: false }
  const [delivery] = planDeliveries([{ registration, cause, deadlineMs: 1 }], knownRelyingParties())
  if (delivery === undefined) throw new Error(`nothing is planned for ${ISSUER}`)
  delivery.origin = 'https://called.example'
  const result = { kind: 'answered', status: 204 } as const
  return { delivery, attemptNumber: 2, jti: 'jti-1', result, verdict: 'sent', durationMs: 12.6, next: 'none' }
}

test('an accepted attempt is one line of JSON, whatever the ids are, and holds neither subject nor sid', () => {
  const lines: string[] = []
  const logger = pino({ base: null }, { write: (line) => void lines.push(line) })
  const writeLine = (line: string) => void lines.push(line)
  const events = new RelayEvents({ logger, writeLine }, new Metrics(), systemClock)
  const id = anyText({ minLength: 1 })
  fc.assert(
    fc.property(id, id, id, (trigger, session, client) => {
      events.attempted(report(trigger, session, client))
      const line = lines.pop() ?? ''
      expect(line.indexOf('\n')).toBe(line.length - 1)
      expect(line).not.toContain('hidden')
      const { level: _, time: __, ...fields } = JSON.parse(line) as Record<string, unknown>
      expect(fields).toEqual({
        trigger,
        issuer: 'https://op.example/realms/a',
        session,
        client,
        attemptNumber: 2,
        verdict: 'sent',
        durationMs: 13,
        jti: 'jti-1',
        status: 204,
        origin: 'https://called.example',
        msg: 'attempt',
      })
    }),
  )
})

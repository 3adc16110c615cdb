import { expect, test } from 'vitest'
import { type DecodeResult, Decoders } from '../../../src/events/decoding/decode-record.ts'
import { Pipeline } from '../../../src/intake/pipeline.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { servedIssuer } from '../served-issuer.ts'

const origin = sampleOrigin()
const said = (issuer: string): DecodeResult[] => [
  { kind: 'registration', registration: sampleRegistration({ issuer }), origin },
  {
    kind: 'trigger',
    trigger: { type: 'session-terminated', issuer, sessionId: 's', origin, occurredAtMs: 1, untilMs: 2 },
  },
]
const kinds = (isEnabled: boolean, issuer: string) => {
  const pipeline = new Pipeline(new Decoders((name) => name), servedIssuer({ isEnabled }))
  return said(issuer).map((it) => [pipeline.step(it)?.kind, pipeline.rebuildStep(it)?.kind])
}

test.each([
  { what: 'is enabled', isEnabled: true, issuer: ISSUER, live: true, rebuilt: true },
  { what: 'is not enabled', isEnabled: false, issuer: ISSUER, live: false, rebuilt: true },
  { what: 'is not known', isEnabled: true, issuer: 'https://other.example', live: false, rebuilt: false },
])(
  'of an issuer that $what: taken live $live, held by a store that is built anew $rebuilt',
  ({ isEnabled, issuer, live, rebuilt }) => {
    const all = ['register', 'end-session']
    expect(kinds(isEnabled, issuer)).toEqual(
      all.map((kind) => [live ? kind : undefined, rebuilt ? kind : undefined]),
    )
  },
)

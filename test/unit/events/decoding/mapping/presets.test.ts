import { expect, test } from 'vitest'
import { type Preset, presets, readPreset } from '../../../../../src/config/mapping-file.ts'
import { Decoders } from '../../../../../src/events/decoding/decode-record.ts'
import { isObject } from '../../../../../src/events/decoding/envelope.ts'
import { MappingDecoder } from '../../../../../src/events/decoding/mapping/mapping.ts'
import { type Fixture, fixtures } from './platform-records.ts'

const NOW_MS = Date.parse('2026-06-01T00:00:00Z')

const decodersOf = new Map(
  presets.map((preset) => {
    const mapping = new MappingDecoder([{ topics: ['platform.*'], ...readPreset(preset) }])
    return [preset, new Decoders((name = 'https://only.example') => name, [mapping])]
  }),
)

function read(preset: Preset, { value, headers = {}, key }: Fixture) {
  const decoders = decodersOf.get(preset) as Decoders
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  const decoded = decoders.decode(
    {
      topic: 'platform.events',
      partition: 0,
      offset: 7,
      timestampMs: NOW_MS,
      key: key === undefined ? null : Buffer.from(key),
      value: bytes,
      headers,
    },
    NOW_MS,
  )
  return 'kind' in decoded ? [decoded] : decoded
}

for (const preset of presets) {
  test.each(fixtures[preset])(`${preset}: $what`, (fixture) => {
    const results = read(preset, fixture).map((result) => {
      if (result.kind === 'trigger') return result.trigger
      if (result.kind === 'client') return result.change
      return result.kind === 'registration' ? { type: 'registration', ...result.registration } : result
    })
    expect(results).toEqual(fixture.becomes.map((it) => expect.objectContaining(it)))
  })

  test(`${preset}: a record with many more members becomes the same`, () => {
    for (const fixture of fixtures[preset]) {
      if (!isObject(fixture.value)) continue
      expect(read(preset, { ...fixture, value: padded(fixture.value) }), fixture.what).toEqual(
        read(preset, fixture),
      )
    }
  })

  test(`${preset}: nothing is taken for a logout when any part of a record is missing`, () => {
    for (const fixture of fixtures[preset]) {
      if (!isObject(fixture.value)) continue
      for (const without of withoutEach(fixture.value)) {
        for (const result of read(preset, { ...fixture, value: without })) {
          if (result.kind !== 'trigger') continue
          // What is told must be what the whole record says.
          const whole = JSON.stringify(fixture.value)
          const { trigger } = result
          const ids = trigger.type === 'user-signed-out' ? [trigger.userId] : trigger.sessionId.split(':')
          for (const id of ids) expect(whole).toContain(id)
        }
      }
    }
  })
}

/** But for envelopes, which have few members. */
function padded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(padded)
  if (!isObject(value)) return value
  const entries = Object.entries(value).map(([name, below]) => [name, padded(below)])
  const more = Array.from({ length: entries.length < 3 ? 0 : 150 }, (_, i) => [`more-${i}`, i])
  return Object.fromEntries([...more, ...entries])
}

function* withoutEach(value: Record<string, unknown>): Generator<Record<string, unknown>> {
  for (const name of Object.keys(value)) {
    const { [name]: part, ...rest } = value
    yield rest
    yield { ...value, [name]: null }
    if (isObject(part)) for (const below of withoutEach(part)) yield { ...value, [name]: below }
  }
}

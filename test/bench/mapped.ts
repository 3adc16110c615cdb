import { type Preset, presets, readPreset } from '../../src/config/mapping-file.ts'
import { cloudEventsBinary } from '../../src/events/decoding/cloudevents-binary.ts'
import { cloudEventsStructured } from '../../src/events/decoding/cloudevents-structured.ts'
import { Decoders } from '../../src/events/decoding/decode-record.ts'
import { MappingDecoder } from '../../src/events/decoding/mapping/mapping.ts'
import { plainJson } from '../../src/events/decoding/plain-json.ts'
import type { WireHeaders } from '../../src/events/wire-record.ts'
import { fixtures } from '../unit/events/decoding/mapping/platform-records.ts'
import type { BenchContext } from './bench-context.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { median } from './statistics.ts'
import { measureThroughput, type ThroughputRun } from './throughput.ts'
import { cloudEvent, ISSUER } from './workload.ts'

const ROUNDS = 11
const RECORDS_PER_ROUND = 10_000

export interface MappedRun {
  readonly native: ThroughputRun
  readonly mapped: ThroughputRun
}

/** The same relay with triggers in its own words and in those of Keycloak. */
export async function measureMapped(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  sessions: number,
): Promise<MappedRun> {
  const native = await measureThroughput(context, 'relay', algorithm, sessions)
  return { native, mapped: await measureThroughput(context, 'relay', algorithm, sessions, 'keycloak') }
}

/** CPU time to decode one trigger, in microseconds: in the relay's own words, and by each preset. Medians of rounds in turns. */
export function measureDecoding(): ReadonlyMap<string, number> {
  const { value, headers = {} } = cloudEvent('session-terminated', 's-1', {
    issuer: ISSUER,
    sessionId: 's-1',
    userId: 'u-1',
  })
  const own = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)]))
  const decode = new Map([
    ['native', decoding(undefined, Buffer.from(String(value)), own)],
    ...presets.map((preset) => {
      const [fixture] = fixtures[preset]
      return [preset, decoding(preset, Buffer.from(JSON.stringify(fixture?.value)), {})] as const
    }),
  ])
  const rounds = new Map([...decode.keys()].map((name) => [name, [] as number[]]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, one] of decode) {
      const started = process.cpuUsage()
      for (let i = 0; i < RECORDS_PER_ROUND; i++) one()
      const { user, system } = process.cpuUsage(started)
      rounds.get(name)?.push((user + system) / RECORDS_PER_ROUND)
    }
  }
  return new Map([...rounds].map(([name, all]) => [name, median(all)]))
}

function decoding(preset: Preset | undefined, value: Buffer, headers: WireHeaders): () => void {
  const mapping = new MappingDecoder(preset === undefined ? [] : [{ topics: ['*'], ...readPreset(preset) }])
  const formats = [cloudEventsBinary, mapping, cloudEventsStructured, plainJson]
  const decoders = new Decoders((name = ISSUER) => name, formats)
  const nowMs = Date.now()
  const record = { topic: 'events', partition: 0, offset: 7, timestampMs: nowMs, key: null, value, headers }
  return () => decoders.decode(record, nowMs)
}

import { randomUUID } from 'node:crypto'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import type { ClientChange } from '../../events/client.ts'
import { Decoders } from '../../events/decoding/decode-record.ts'
import { publishRecord } from '../../kafka/kafka-publish.ts'
import { systemClock } from '../../lib/clock.ts'
import { RelayFault } from '../../lib/errors.ts'
import type { ClientHistory } from '../../registry/client-history.ts'
import { firstNamed, kafkaClient, openKafka, reachable } from '../backends.ts'
import { TRIGGER_SOURCE } from '../send/trigger-record.ts'
import type { ClientSite } from './client-site.ts'

/** Fields of a record of a client. */
export type ChangeData = { readonly issuer: string; readonly clientId: string } & Readonly<
  Record<string, unknown>
>

export const publishLayout = { kafka: kafkaClient, topics: layout.kafka.topics } as const satisfies Layout

/** What the relay would make of the record. Throws `LR_USAGE`, which names the field, when it would not accept it. */
export function changeOf(
  data: ChangeData,
  atMs: number,
  type: ClientChange['type'] = 'client-configured',
): ClientChange {
  const { headers, value } = recordOf(data, atMs, type)
  const wire = { topic: '', partition: 0, offset: 0, timestampMs: atMs, key: null, headers }
  const decoded = new Decoders((name = data.issuer) => name).decode(
    { ...wire, value: Buffer.from(value) },
    atMs,
  )
  if ('kind' in decoded && decoded.kind === 'client') return decoded.change
  const reason =
    'kind' in decoded && decoded.kind === 'poison' ? decoded.reason : 'it is no record of a client'
  throw new RelayFault('LR_USAGE', reason)
}

/**
 * Publishes the change, so that it survives the loss of Redis, and then writes it to Redis, so that it is in force within a
 * second, however much the relays have to read first. Throws when either is out of reach; safe to repeat.
 */
export async function publishChange(
  site: ClientSite,
  data: ChangeData,
  history: ClientHistory = [],
  type: ClientChange['type'] = 'client-configured',
): Promise<void> {
  const config = readConfigPart(publishLayout)
  const topic = firstNamed(config.topics, `add the name of a topic for records of the relay's own`)
  // A clock that is fast must not make a change win over all that follow, nor one that is slow make it have no effect.
  const nowMs = systemClock.now()
  const settings = await reachable('Redis', site.settings.settings(data.issuer, data.clientId))
  const before = [...history.map((it) => it.atMs), ...settings.map((it) => it.recordedAtMs ?? 0)]
  const atMs = Math.max(nowMs, Math.max(0, ...before) + 1)
  const change = changeOf(data, atMs, type)
  const { kafka, topics } = await openKafka(config.kafka)
  try {
    const record = { topic, key: data.clientId, ...recordOf(data, atMs, type) }
    const position = await reachable('Kafka', publishRecord(kafka, topics, record))
    const origin = { id: record.headers.ce_id, ...position }
    await reachable('Redis', site.clients.apply([{ kind: 'configure-client', change, origin }]))
  } finally {
    await topics.close()
  }
}

function recordOf(data: ChangeData, atMs: number, type: ClientChange['type']) {
  const headers = {
    ce_specversion: '1.0',
    ce_id: randomUUID(),
    ce_source: TRIGGER_SOURCE,
    ce_type: type,
    ce_time: new Date(atMs).toISOString(),
    'content-type': 'application/json',
  }
  return { value: JSON.stringify(data), headers }
}

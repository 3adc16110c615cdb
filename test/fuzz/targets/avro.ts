import avsc from 'avsc'
import { compileAvro } from '../../../src/events/decoding/avro/avro-type.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import type { Schema } from '../../../src/events/decoding/record-values.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'

const ISSUER = 'https://op.example'

const event = {
  type: 'record',
  name: 'Event',
  namespace: 'com.example',
  fields: [
    {
      name: 'type',
      type: { type: 'enum', name: 'Type', symbols: ['session-terminated', 'user-signed-out'] },
    },
    { name: 'sessionId', type: ['null', 'string'] },
    { name: 'userId', type: ['null', 'string', 'long'] },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
    { name: 'tags', type: { type: 'map', values: { type: 'array', items: ['null', 'double'] } } },
    { name: 'id', type: { type: 'fixed', name: 'Id', size: 16, logicalType: 'uuid' } },
    { name: 'next', type: ['null', 'Event'] },
    { name: 'payload', type: ['null', 'bytes'] },
  ],
}
/** avsc takes no symbols with a dash. */
const ours = JSON.stringify(event)
const theirs = avsc.Type.forSchema(
  JSON.parse(ours.replace('session-terminated', 'a').replace('user-signed-out', 'b')),
)

const compiled = compileAvro(ours)
const schema: Schema =
  compiled.kind === 'compiled'
    ? { kind: 'avro', type: compiled.type }
    : { kind: 'unusable', problem: compiled.problem }

const value = {
  type: 'a',
  sessionId: 's-1',
  userId: null,
  at: 1_790_000_000_000_000,
  amount: Buffer.from([4, 210]),
  tags: { a: [null, 1.5], b: [] },
  id: Buffer.alloc(16, 7),
  payload: null,
}
const encoded = (more: object) => theirs.toBuffer({ ...value, next: null, ...more })
const frame = Buffer.from([0, 0, 0, 0, 7])

export const avroTargets: readonly FuzzTarget[] = [
  {
    name: 'avro-records',
    samples: [
      Buffer.concat([frame, encoded({})]),
      Buffer.concat([frame, encoded({ next: { ...value, next: null } })]),
      Buffer.concat([Buffer.alloc(17, 1), encoded({ sessionId: null })]),
      Buffer.concat([frame, encoded({ payload: Buffer.concat([frame, encoded({})]) })]),
      Buffer.concat([frame, encoded({ payload: Buffer.from('{"sessionId":"s-1"}') })]),
    ],
    parse: (input) => {
      const decoders = new Decoders((name = ISSUER) => name, undefined, { find: () => schema })
      const record = {
        topic: 't',
        partition: 0,
        offset: 0,
        timestampMs: 0,
        key: null,
        value: input,
        headers: {},
      }
      if (decoders.prepare(record) !== undefined) throw new Error('it waits for a schema that is known')
      return [decoders.decode(record, 0), decoders.contentOf(record)]
    },
    isRead: (output) => (output as [unknown, { kind: string }])[1].kind === 'json',
  },
  {
    name: 'avro-schemas',
    samples: texts(
      ours,
      '"string"',
      '["null","long"]',
      '{"type":"map","values":{"type":"fixed","name":"F","size":3}}',
    ),
    // What it becomes may contain itself.
    parse: (input) => compileAvro(input.toString(), [ours]).kind,
    isRead: (output) => typeof output === 'string',
  },
]

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { presets, readMappingFile } from '../../../src/config/mapping-file.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import { MappingDecoder } from '../../../src/events/decoding/mapping/mapping.ts'
import { causes } from '../../../src/events/decoding/mapping/rules.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'
import { checkPlaced } from '../placed-problems.ts'

const mappingFile = join(createScratchDirectory('fuzz-mapping').path, 'mapping.yaml')

const mapping = `mappings:
  - topics: [logins, "audit.*"]
    split: /events
    causes: [logout, expired]
    rules:
      - name: logout
        when: value.type == "LOGOUT" && value.?error.orValue(null) == null
        cause: logout
        emit:
          type: session-terminated
          issuer: /realm
          sessionId: [/sessionId, 'capture(text(value.path), "^sessions/([^/]+)$")']
          time: time(value.at)
      - name: each
        when: type(value.users) == list
        for: value.users.filter(u, has(u.id))
        cause: expired
        emit: [{ type: user-signed-out, userId: item.id }, { type: client, clientId: item.client }]
      - { when: 'json(base64(value.body)).gone == true', emit: nothing }
  - { topics: ["kc.*"], preset: keycloak, issuer: https://a.example }
`

/** What is read with the rules of a file that is valid, whatever they say. */
const records = [
  '{"type":"LOGOUT","sessionId":"s1","userId":"u1","realm":"a","at":1767225600,"path":"sessions/s1"}',
  '{"events":[{"type":"x","users":[{"id":"u1","client":"c"},{"id":2},null,{}]},{"users":{}},7]}',
  '{"body":"eyJnb25lIjp0cnVlfQ==","list":[[1,2],["a"]],"deep":{"a":{"b":{"c":null}}}}',
  '[]',
  '"text"',
].map((value) => Buffer.from(value))

const pointers = ['/type', '/a/0/b', '/events', '', '/~', '/a~1b', '//', 'type']
const operands = [
  ...['value', 'value.type', 'value.users', 'value.?a.b', 'value["a b"]', 'item', 'item.id', 'key', 'topic'],
  ...[
    'op',
    'before',
    'envelope',
    'timestamp',
    'headers["x"]',
    'nowhere',
    'null',
    'true',
    '1',
    '"text"',
    '[]',
  ],
  ...[
    'json(value.body)',
    'base64(value)',
    'time(value.at)',
    'text(value.n)',
    'at(value, "/a")',
    'first(key, value)',
  ],
  ...['capture(value.path, "^(a+)+$")', 'isMatch(topic, "(")', 'value.users.map(u, u.id)', 'size(value)'],
  ...[
    'value.users.exists(item, item == 1)',
    '{"a": value}',
    'value.matches("a")',
    '-value.n',
    '!value.b',
    ')(',
  ],
]
const operand = fc.constantFrom(...operands)
const expression = fc.oneof(
  operand,
  fc.constantFrom(...pointers),
  fc
    .tuple(operand, fc.constantFrom('==', '!=', '&&', '||', '+', 'in', '<', '?', '/'), operand)
    .map((parts) => parts.join(' ')),
  fc.tuple(operand, operand, operand).map(([a, b, c]) => `${a} ? ${b} : ${c}`),
  fc.tuple(operand, operand).map(([a, b]) => `[${a}, ${b}].filter(x, x != ${b})[0]`),
)
const oddity = fc.constantFrom<unknown>(null, 0, -1, true, '', [], {}, 'x'.repeat(5_000), [[]], { a: 1 })
/** Now and then another thing than belongs there. */
const mostly = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 12, arbitrary }, { weight: 1, arbitrary: oddity })
const field = mostly(fc.oneof(expression, fc.boolean(), fc.array(mostly(expression), { maxLength: 3 })))
const fieldNames = [
  'issuer',
  'sessionId',
  'userId',
  'clientId',
  'sub',
  'sid',
  'time',
  'id',
  'cutOff',
  'reason',
]
const emit = fc
  .tuple(
    mostly(
      fc.constantFrom('session-terminated', 'user-signed-out', 'registration', 'client', 'client-removed'),
    ),
    fc.dictionary(
      fc.constantFrom(...fieldNames, 'backchannelLogoutUri', 'claims', '__proto__', 'typo'),
      field,
    ),
  )
  .map(([type, fields]) => ({ type, ...fields }))
const rule = fc.record(
  {
    name: mostly(fc.constantFrom('a', 'b')),
    when: mostly(expression),
    for: mostly(expression),
    cause: mostly(fc.constantFrom(...causes)),
    emit: mostly(fc.oneof(emit, fc.array(emit, { maxLength: 3 }), fc.constant('nothing'))),
    typo: fc.constant(1),
  },
  { requiredKeys: ['when', 'emit'] },
)
const tree = fc.record(
  {
    mappings: mostly(
      fc.array(
        mostly(
          fc.record(
            {
              topics: mostly(
                fc.array(mostly(fc.constantFrom('a', 'b', 'a*', '*', '***', 'a b')), { maxLength: 3 }),
              ),
              preset: mostly(fc.constantFrom(...presets)),
              issuer: mostly(fc.constantFrom('https://a.example', 'realm')),
              split: mostly(fc.constantFrom(...pointers)),
              causes: mostly(fc.array(fc.constantFrom(...causes), { maxLength: 3 })),
              rules: mostly(fc.array(mostly(rule), { maxLength: 4 })),
            },
            { requiredKeys: ['topics'] },
          ),
        ),
        { minLength: 1, maxLength: 3 },
      ),
    ),
    typo: fc.constant([]),
  },
  { requiredKeys: ['mappings'] },
)
/** What belongs there, so that most of it is taken and records are read by it. */
const ofRecord = fc.constantFrom(
  ...[
    '/sessionId',
    '/userId',
    '/path',
    '/a/0',
    'value.type',
    'value.?a.b.orValue(null)',
    'text(value.at)',
    'key',
  ],
  ...[
    'capture(value.path, "s/(.+)$")',
    'first(at(value, "/userId"), value.type)',
    'value.type + "-" + text(value.at)',
  ],
  ...[
    'json(base64(value.body)).gone',
    'value.users.map(u, u.id)[0]',
    'headers["x"]',
    'value.list[0][1]',
    'before.id',
  ],
)
const condition = fc
  .tuple(
    fc.constantFrom(
      'value.type',
      'topic',
      'op',
      'json(value.body).gone',
      'value.users[0].id',
      'size(value.list)',
      'key',
    ),
    fc.constantFrom('==', '!=', '<', '>='),
    fc.constantFrom('"LOGOUT"', '2', 'null', 'value.path', 'true', 'value.at'),
    fc.constantFrom(
      '',
      ' && value.n == 1',
      ' || value.users.exists(u, u.id == "u1")',
      ' && isMatch(topic, "^a")',
    ),
  )
  .map((parts) => parts.join(' '))
const lists = fc.constantFrom(
  'value.users',
  'value.events',
  'value.list.map(l, l)',
  'value.users.filter(u, has(u.id))',
)
const fields = fc.oneof(ofRecord, fc.uniqueArray(ofRecord, { minLength: 1, maxLength: 3 }))
const ended = fc.record({
  type: fc.constant('session-terminated'),
  sessionId: fields,
  userId: fields,
  time: fields,
})
const signedOut = fc.record({ type: fc.constant('user-signed-out'), userId: fields, issuer: fields })
const registered = fc.record({
  type: fc.constant('registration'),
  sessionId: fields,
  clientId: fields,
  userId: fields,
})
const fittingRule = fc.oneof(
  fc.record({ when: condition, emit: fc.oneof(ended, signedOut, registered, fc.constant('nothing')) }),
  fc
    .record({ when: condition, for: lists, emit: fc.oneof(ended, signedOut) })
    .map(({ emit: of, ...it }) => ({ ...it, emit: { ...of, userId: ['item.id', 'text(item)'] } })),
)
const fitting = fc.record(
  {
    topics: fc.constantFrom(['a'], ['logins', 'kc.*'], ['*']),
    split: fc.constantFrom('/events', '/list', '/deep/a'),
    preset: fc.constantFrom(...presets),
    rules: fc.uniqueArray(fittingRule, { selector: ({ when }) => when.trim(), minLength: 1, maxLength: 6 }),
  },
  { requiredKeys: ['topics', 'rules'] },
)
const trees = fc
  .tuple(
    fc.oneof(
      tree,
      fitting.map((it) => ({ mappings: [it] })),
    ),
    fc.constantFrom('flow', 'block', 'json'),
  )
  .map(([it, form]) =>
    Buffer.from(
      form === 'json'
        ? JSON.stringify(it, null, 1)
        : stringify(it, { aliasDuplicateObjects: false, collectionStyle: form as 'flow' | 'block' }),
    ),
  )

export const mappingFileTargets: readonly FuzzTarget[] = [
  {
    name: 'mapping-file',
    samples: texts(mapping, JSON.stringify({ mappings: [{ topics: ['*'], preset: 'ory' }] })),
    others: trees,
    parse: (input) => {
      writeFileSync(mappingFile, input)
      let read: ReturnType<typeof readMappingFile>
      try {
        read = readMappingFile(mappingFile)
      } catch (error) {
        checkPlaced(error, mappingFile)
      }
      const decoders = new Decoders((name = '') => name, [new MappingDecoder(read.mappings)])
      const decoded = records.flatMap((value, offset) =>
        ['a', 'logins', 'kc.x'].flatMap((topic) =>
          decoders.decode(
            { topic, partition: 0, offset, timestampMs: 1_800_000_000_000, key: null, value, headers: {} },
            1_800_000_000_000,
          ),
        ),
      )
      for (const it of decoded)
        if (it.kind === 'poison' && it.reason === 'record: cannot be decoded') throw new Error(it.reason)
      return read.mappings.length
    },
    faults: ['LR_MAPPING_INVALID'],
    bytesMax: 16_384,
    // Each problem has a line of its own, which says what to do.
    growth: 256,
  },
]

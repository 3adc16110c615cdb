import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { readIntakeFile } from '../../../src/config/intake-file.ts'
import { presets, readMappingFile } from '../../../src/config/mapping-file.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import { MappingDecoder } from '../../../src/events/decoding/mapping/mapping.ts'
import { causes } from '../../../src/events/decoding/mapping/rules.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'

const folder = createScratchDirectory('fuzz-mapping').path
const mappingFile = join(folder, 'mapping.yaml')
const intakeFile = join(folder, 'intake.yaml')
writeFileSync(join(folder, 'secret'), 'a-shared-secret\n')

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

const intake = `sources:
  - { name: okta, topic: okta, platform: okta, secretFile: secret }
  - name: own
    topic: own
    verify: { kind: hmac, header: X-Signature, algorithm: sha512, encoding: base64, prefix: sha512= }
    secretFile: secret
    keepHeaders: [X-Tenant]
`

/** What is read with the rules of a file that is valid, whatever they say. */
const records = [
  '{"type":"LOGOUT","sessionId":"s1","userId":"u1","realm":"a","at":1767225600,"path":"sessions/s1"}',
  '{"events":[{"type":"x","users":[{"id":"u1","client":"c"},{"id":2},null,{}]},{"users":{}},7]}',
  '{"body":"eyJnb25lIjp0cnVlfQ==","list":[[1,2],["a"]],"deep":{"a":{"b":{"c":null}}}}',
  '[]',
  '"text"',
].map((value) => Buffer.from(value))

/** Every line of a fault names a place in the file. */
function checkFault(error: unknown, file: string): never {
  const unplaced = messageOf(error)
    .split('\n')
    .filter((line) => !/^and \d+ further problems$/.test(line))
    .filter((line) => !line.startsWith(`${file}:`) || !/^:\d+: \S/.test(line.slice(file.length)))
    .filter((line) => line !== `${file}: is not text in UTF-8`)
  if (unplaced.length > 0) throw new Error(`a problem without its place: ${unplaced[0]}`, { cause: error })
  throw error
}

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
const trees = fc
  .tuple(tree, fc.constantFrom('flow', 'block', 'json'))
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
        checkFault(error, mappingFile)
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
  {
    name: 'intake-file',
    samples: texts(intake),
    parse: (input) => {
      writeFileSync(intakeFile, input)
      try {
        return readIntakeFile(intakeFile, { names: ['okta', 'own'], patterns: [], excluded: [] }).sources
          .length
      } catch (error) {
        checkFault(error, intakeFile)
      }
    },
    faults: ['LR_INTAKE_INVALID'],
    bytesMax: 8_192,
    growth: 256,
  },
]

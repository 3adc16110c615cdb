import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readMappingFile } from '../../../src/config/mapping-file.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'

function fileWith(text: string): string {
  const scratch = createScratchDirectory('mapping')
  onTestFinished(() => scratch[Symbol.asyncDispose]())
  const file = join(scratch.path, 'mapping.yaml')
  writeFileSync(file, text)
  return file
}

function problemsOf(text: string): string[] {
  const file = fileWith(text)
  try {
    readMappingFile(file)
  } catch (error) {
    return messageOf(error)
      .split('\n')
      .map((line) => line.replace(`${file}:`, ''))
  }
  return []
}

test('every problem of a file is told at once, with its line and the field', () => {
  const problems = problemsOf(`mappings:
  - topics: [events]
    rules:
      - name: first
        when: value.type ==
        emit:
          type: session-terminated
          sessionId: /sid
      - name: second
        when: 'topic + "x"'
        emit:
          type: user-signed-out
          userId: value.matches("^(a+)+$")
      - name: third
        when: value.type == "x"
        for: topic
        emit: nothing
  - topics: [other]
    preset: keycloak
    causes: [logout]
`)
  expect(problems.map((line) => line.split(': ')[0])).toEqual(['5', '10', '13', '16'])
})

test.each([
  [
    'a member that does not exist',
    'mappings:\n  - topics: [a]\n    preset: keycloak\n    cause: [logout]\n',
    '4',
  ],
  ['a preset that does not exist', 'mappings:\n  - topics: [a]\n    preset: keycloack\n', '3'],
  ['neither preset nor rules', 'mappings:\n  - topics: [a]\n', '2'],
  [
    'a topic twice',
    'mappings:\n  - topics: [a]\n    preset: ory\n  - topics: [b, a]\n    preset: ory\n',
    '4',
  ],
  ['no topic', 'mappings:\n  - topics: []\n    preset: ory\n', '2'],
  [
    'a field that is required',
    "mappings:\n  - topics: [a]\n    rules:\n      - when: 'true'\n        emit: { type: session-terminated, userId: /u }\n",
    '5',
  ],
  [
    'a field that does not exist',
    "mappings:\n  - topics: [a]\n    rules:\n      - when: 'true'\n        emit:\n          type: session-terminated\n          sessionId: /s\n          session: /s\n",
    '8',
  ],
  [
    'a cut-off where no session is named',
    "mappings:\n  - topics: [a]\n    rules:\n      - when: 'true'\n        emit:\n          type: user-signed-out\n          userId: /u\n          cutOff: /t\n",
    '8',
  ],
  [
    'a pointer without its slash',
    'mappings:\n  - topics: [a]\n    rules:\n      - when: at(value, "type") == "x"\n        emit: { type: session-terminated, sessionId: /s }\n',
    '4',
  ],
  [
    'a type that does not exist',
    "mappings:\n  - topics: [a]\n    rules:\n      - when: 'true'\n        emit: { type: session-ended, sessionId: /s }\n",
    '5',
  ],
])('%s is refused with its line', (_what, text, line) => {
  expect(problemsOf(text).map((it) => it.split(': ')[0])).toEqual([line])
})

test.each([
  ['a list that is not closed', 'mappings:\n  - topics: [a\n    preset: ory\n', '3'],
  ['a text that is not closed', 'mappings:\n  - topics: [a]\n    preset: "ory\n', '4'],
  ['a tab in the place of blanks', 'mappings:\n  - topics: [a]\n\tpreset: ory\n', '3'],
  ['a key twice', 'mappings:\n  - topics: [a]\n    preset: ory\n    preset: okta\n', '4'],
  ['a second document', 'mappings:\n  - topics: [a]\n    preset: ory\n---\n', '4'],
])('YAML itself, %s: the line of the mistake is named, and not the first one', (_what, text, line) => {
  expect(problemsOf(text).map((it) => it.split(': ')[0])).toContain(line)
  expect(problemsOf(text).map((it) => it.split(': ')[0])).not.toContain('1')
})

const rule = (emit: string) =>
  `mappings:\n  - topics: [a]\n    rules:\n      - when: 'true'\n        emit:\n${emit
    .split('\n')
    .map((line) => `          ${line}\n`)
    .join('')}`
const looped = (list: string, when: string, userId: string) =>
  ending(userId).replace("when: 'true'", `when: ${when}\n        for: ${list}`)
const ending = (userId: string) => rule(`type: user-signed-out\nuserId: ${userId}`)

test.each([
  ['a name that is no variable', ending('abc'), '7'],
  ['a text that is the same for every record', ending('\'"abc"\''), '7'],
  ['such a text behind what the record says', ending('[/user, \'"abc"\']'), '7'],
  ['a pointer without its slash', ending('event/userId'), '7'],
  ['a pointer without its slash, of names that there are', ending('value/key'), '7'],
  ['a pointer that names a wrong escape', ending('/a~2b'), '7'],
  ['a number', ending('5'), '7'],
  ['true or false', ending('true'), '7'],
  ['what is true or false', ending('value.user == "x"'), '7'],
  ['what is a number', ending('size(value.users)'), '7'],
  ['a list', ending("'[value.user]'"), '7'],
  ['what may be there or not', ending('value.?user'), '7'],
  ['a time that is the same for every record', ending('/user\ntime: 5'), '8'],
  ['an id that is the same for every record', ending('/user\nid: \'"x"\''), '8'],
  [
    'a text for what is true or false',
    rule('type: registration\nsessionId: /s\nclientId: /c\nuserId: /u\nsessionRequired: topic'),
    '10',
  ],
  [
    'a value that the field cannot have',
    rule('type: registration\nsessionId: /s\nclientId: /c\nuserId: /u\nclaims: \'"all"\''),
    '10',
  ],
  ['a condition that is never met', ending('/u').replace("'true'", '1 == 2'), '4'],
  [
    'a condition that leaves nothing to the rule below',
    `${ending('/u')}      - when: value.type == "x"\n        emit: nothing\n`,
    '4',
  ],
  ['a condition that leaves nothing to the preset', `${ending('/u')}    preset: ory\n`, '4'],
  ['a mistake in a list of one', rule('- type: user-signed-out\n  reason: /reason\n  userId: nowhere'), '8'],
  [
    'a mistake in the second of a list',
    rule('- { type: user-signed-out, userId: /u }\n- type: user-signed-out\n  userId: nowhere'),
    '8',
  ],
  [
    'an issuer of a rule, beside that of all records',
    `${ending('/u\nissuer: /realm')}    issuer: https://a.example\n`,
    '8',
  ],
  [
    'a pattern above a topic',
    'mappings:\n  - topics: ["*"]\n    preset: ory\n  - topics: [b, a]\n    preset: ory\n',
    '4 4',
  ],
  [
    'a pattern above a narrower one',
    'mappings:\n  - topics: ["a*c"]\n    preset: ory\n  - topics: ["ab*", "ab*c"]\n    preset: ory\n',
    '4',
  ],
  [
    'causes that leave no rule',
    ending('/u').replace("      - when: 'true'", "      - when: 'true'\n        cause: logout") +
      '    causes: []\n',
    '9',
  ],
  ['an empty list of causes', 'mappings:\n  - topics: [a]\n    preset: ory\n    causes: []\n', '4'],
  ['an element where there is no list', ending('item.id'), '7'],
  [
    'an element in the condition, which is of the record',
    looped('value.users', 'item.x == 1', 'item.id'),
    '4',
  ],
  ['an element in the list itself', looped('item.users', 'value.x == 1', 'item.id'), '5'],
  ['a list of which no field reads an element', looped('value.users', 'value.x == 1', '/user'), '5'],
  [
    'a list where nothing is emitted',
    'mappings:\n  - topics: [a]\n    rules:\n      - when: value.x == 1\n        for: value.users\n        emit: nothing\n',
    '5',
  ],
  [
    'a list of fields of which one before the last has always a value',
    rule('type: registration\nsessionId: /s\nclientId: [/c, \'"shop"\', /d]\nuserId: /u'),
    '8',
  ],
  [
    'the condition of a rule above',
    `${ending('/u').replace("'true'", 'value.x == 1')}      - { when: value.x == 1, emit: nothing }\n`,
    '8',
  ],
  [
    'the name of another rule',
    `${ending('/u').replace("when: 'true'", 'name: a\n        when: value.x == 1')}      - { name: a, when: value.x == 2, emit: nothing }\n`,
    '9',
  ],
  [
    'a cause that no rule has',
    'mappings:\n  - topics: [a]\n    preset: ory\n    causes: [logout, expired]\n',
    '4',
  ],
])('%s is refused with its line, and nothing else is', (_what, text, lines) => {
  expect(
    problemsOf(text)
      .map((it) => it.split(': ')[0])
      .join(' '),
  ).toBe(lines)
})

test('what looks like those mistakes and is none is taken', () => {
  for (const text of [
    ending('/a~1b/~0'),
    ending('value.users.filter(item, item.x == 1)[0].id'),
    looped('value.users.filter(item, item.x == 1)', 'value.x == 1', 'item.id'),
    ending('\'"u:" + value.user\''),
    ending('\'capture(topic, "^users-(.+)$")\''),
    ending('text(value.number)'),
    ending('value.?user.orValue(null)'),
    rule(
      'type: registration\nsessionId: key\nclientId: \'"shop"\'\nuserId: /u\nclaims: \'"sub"\'\nsessionRequired: true',
    ),
    'mappings:\n  - topics: [a]\n    preset: ory\n  - topics: ["*"]\n    preset: ory\n',
    'mappings:\n  - topics: ["a*", "ab*"]\n    preset: ory\n  - topics: ["b*c"]\n    preset: ory\n',
  ])
    expect(problemsOf(text), text).toEqual([])
})

test('a rule of the operator that a preset leaves out by default is in force', () => {
  const own =
    '    rules:\n      - name: own\n        when: value.x == 1\n        cause: password\n        emit: nothing\n'
  const [mapping] = readMappingFile(fileWith(`mappings:\n  - topics: [a]\n    preset: ory\n${own}`)).mappings
  expect(mapping?.rules.map(({ name }) => name)).toContain('own')
})

test('causes choose among the rules of a preset, and an issuer replaces what records call theirs', () => {
  const all =
    'mappings:\n  - topics: [a]\n    preset: keycloak\n    causes: [logout, expired, disabled, deleted, password]\n'
  const few =
    'mappings:\n  - topics: [a]\n    preset: keycloak\n    causes: [expired]\n    issuer: https://a.example\n'
  const namesIn = (text: string) =>
    readMappingFile(fileWith(text)).mappings[0]?.rules.map(({ cause }) => cause)
  expect(namesIn(all)).toContain('password')
  expect(new Set(namesIn(few))).toEqual(new Set(['expired', undefined]))
})

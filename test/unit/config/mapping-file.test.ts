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
    'a type that does not exist',
    "mappings:\n  - topics: [a]\n    rules:\n      - when: 'true'\n        emit: { type: session-ended, sessionId: /s }\n",
    '5',
  ],
])('%s is refused with its line', (_what, text, line) => {
  expect(problemsOf(text).map((it) => it.split(': ')[0])).toEqual([line])
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

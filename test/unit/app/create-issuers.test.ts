import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createIssuers } from '../../../src/app/create-issuers.ts'
import { manualClock } from '../manual-clock.ts'

const entry = (name: string) => `  - issuer: https://${name}.example\n    keys: { file: ${name}.json }\n`

test('half of a file that is being written is not taken for the whole', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'issuers-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'issuers.yaml')
  writeFileSync(file, `issuers:\n${entry('a')}${entry('b')}`)
  const issuers = createIssuers(
    {
      issuers: { file, issuer: undefined },
      delivery: { retry: { deadlineMs: 1_000 }, userSignedOutWithoutSession: 'fan-out' },
    },
    manualClock(),
  )
  const known = async () => {
    await issuers.open()
    return [...issuers.known()].map(({ id }) => id)
  }
  const both = ['https://a.example', 'https://b.example']
  expect(await known()).toEqual(both)
  writeFileSync(file, `issuers:\n${entry('a')}`)
  expect(await known()).toEqual(both)
  writeFileSync(file, `issuers:\n${entry('a')}${entry('c')}`)
  expect(await known()).toEqual(both)
  expect(await known()).toEqual(['https://a.example', 'https://c.example'])
})

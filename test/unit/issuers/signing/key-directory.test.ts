import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { SigningKeys } from '../../../../src/issuers/signing/signing-keys.ts'
import { manualClock } from '../../manual-clock.ts'
import { ecKey, ed25519Key, jwkOf, jwkSet, pemOf } from './key-material.ts'

const scratch = mkdtempSync(join(tmpdir(), 'key-directory-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const clock = manualClock(1_800_000_000_000)
let count = 0

function directoryOf(files: Record<string, string>): string {
  const directory = join(scratch, String(count++))
  mkdirSync(directory)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

const ec = (kid: string) => jwkSet(jwkOf(ecKey(), { kid }))
const keysIn = (directory: string, folder?: string) =>
  new SigningKeys(directory, clock, { isDirectory: true, folder })
const nothing = { onReloaded: () => undefined, onReloadFailed: () => undefined }

test('the files of a directory are read as one, in the order of their names, without what holds no keys', async () => {
  const keys = keysIn(
    directoryOf({
      'b.pem': pemOf(ed25519Key()),
      'a.json': ec('of a'),
      'c.jwk': JSON.stringify(jwkOf(ecKey(), { kid: 'of c' })),
      'ca.crt': 'a certificate',
      '.hidden.json': 'half of a fi',
      'a.json.new': 'half of a fi',
    }),
  )
  await keys.load()
  expect(keys.all.map(({ kid }) => kid)).toEqual(['of a', expect.any(String), 'of c'])
  expect(keys.keyFor('ES256').kid).toBe('of a')
  expect(keys.keyFor('EdDSA').kid).toBe(keys.all[1]?.kid)
})

test('a key of it that cannot sign is named with its file; a file that is broken leaves all keys as they were', async () => {
  const directory = directoryOf({ 'a.json': ec('twin'), 'b.json': ec('twin') })
  const keys = keysIn(directory)
  await keys.load()
  expect(keys.facts.leftOut.map(({ name }) => name)).toEqual(['b.json: kid twin'])

  writeFileSync(join(directory, 'b.json'), '{"keys": [')
  await keys.look(nothing)
  expect(keys.facts.problem).toContain('b.json')
  expect(keys.keyFor('ES256').kid).toBe('twin')

  writeFileSync(join(directory, 'b.json'), ec('of b'))
  renameSync(join(directory, 'a.json'), join(directory, 'z.json'))
  await keys.look(nothing)
  expect(keys.all.map(({ kid }) => kid)).toEqual(['of b', 'twin'])
  expect(keys.facts.problem).toBeUndefined()
})

test('that Kubernetes mounts is read through its links; one that leads elsewhere is not', async () => {
  const folder = directoryOf({})
  const mounted = join(folder, 'mounted')
  mkdirSync(join(mounted, '..2026'), { recursive: true })
  writeFileSync(join(mounted, '..2026', 'a.json'), ec('mounted'))
  symlinkSync('..2026', join(mounted, '..data'))
  symlinkSync('..data/a.json', join(mounted, 'a.json'))
  const keys = keysIn(mounted, folder)
  await keys.load()
  expect(keys.all.map(({ kid }) => kid)).toEqual(['mounted'])

  symlinkSync(join(directoryOf({ 'stolen.json': ec('stolen') }), 'stolen.json'), join(mounted, 'b.json'))
  await keys.look(nothing)
  expect(keys.facts.problem).toMatch(/b\.json: it lies outside/)
  expect(keys.all.map(({ kid }) => kid)).toEqual(['mounted'])
})

test.each([
  ['that is empty', {}],
  ['without a private key', { 'a.pem': 'a certificate' }],
])('one %s is refused', async (_, files) => {
  await expect(keysIn(directoryOf(files)).load()).rejects.toMatchObject({ code: 'LR_KEYS_INVALID' })
})

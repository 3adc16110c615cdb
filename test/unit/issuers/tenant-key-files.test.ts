import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { IssuerSettings } from '../../../src/issuers/issuer-settings.ts'
import { hasTenantWithKeys, tenantsWithKeys } from '../../../src/issuers/tenant-key-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'tenants-'))
afterAll(() => rmSync(folder, { recursive: true }))
for (const name of [
  't/a.json',
  't/b-1.json',
  't/a.b.json',
  't/.json',
  't/c.txt',
  'deep/a/keys.json',
  'deep/b/other',
]) {
  mkdirSync(join(folder, name, '..'), { recursive: true })
  writeFileSync(join(folder, name), '')
}
const found = (keysFile: string, max = 10, issuer = 'https://{tenant}.example') =>
  tenantsWithKeys({ issuer, keysFile: join(folder, keysFile) } as IssuerSettings, max)

test('tenants are found by their key files, whatever the form of the path', async () => {
  expect(await found('t/{tenant}.json')).toEqual(['a', 'b-1'])
  expect(await found('t/{tenant}.json', 1)).toEqual(['a'])
  expect(await found('deep/{tenant}/keys.json')).toEqual(['a'])
  expect(await found('nowhere/{tenant}.json')).toEqual([])
  expect(await found('t/a.json', 10, 'https://a.example')).toEqual([])
})

test('whether any tenant has keys is seen without reading the names of all', async () => {
  const paths = [
    't/{tenant}.json',
    'deep/{tenant}/keys.json',
    'deep/{tenant}/none',
    'nowhere/{tenant}',
    't/{tenant}.pem',
  ]
  const has = (path: string) =>
    hasTenantWithKeys({ issuer: 'https://{tenant}.example', keysFile: join(folder, path) } as IssuerSettings)
  expect(await Promise.all(paths.map(has))).toEqual([true, true, false, false, false])
})

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { examineIssuersFile } from '../../../src/app/examine-issuers.ts'
import type { FoldedFinding } from '../../../src/diagnosis/fold-issuers.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { freePort } from '../../support/free-port.ts'
import { ecKey, jwkOf, jwkSet } from '../issuers/signing/key-material.ts'

test('every issuer is examined, however many there are, and who is not is named', async () => {
  const scratch = createScratchDirectory('examined-issuers')
  onTestFinished(() => scratch[Symbol.asyncDispose]())
  for (const folder of ['keys', 'tenants']) mkdirSync(join(scratch.path, folder))
  const nobody = await freePort()
  const names = Array.from({ length: 60 }, (_, i) => `t${i}`)
  for (const name of names)
    writeFileSync(join(scratch.path, `keys/${name}.json`), jwkSet(jwkOf(ecKey(), { kid: name })))
  writeFileSync(join(scratch.path, 'tenants/one.json'), jwkSet(jwkOf(ecKey(), { kid: 'one' })))
  writeFileSync(join(scratch.path, 'keys/t7.json'), '{"keys":[]}')
  const entry = (issuer: string, file: string, more = {}) => ({ issuer, keys: { file }, ...more })
  const issuers = [
    ...names.map((name) => entry(`http://127.0.0.1:${nobody}/${name}`, `keys/${name}.json`)),
    entry('https://off.example', 'keys/off.json', { enabled: false }),
    entry(`http://127.0.0.1:${nobody}/of/{tenant}`, 'tenants/{tenant}.json'),
    entry('https://{tenant}.nobody.example', 'nobodys/{tenant}.json'),
  ]
  const file = join(scratch.path, 'issuers.json')
  writeFileSync(file, JSON.stringify({ issuers }, null, 1))
  const found: readonly FoldedFinding[] = await examineIssuersFile(file)
  const of = (check: string) => found.filter((it) => it.check === check)

  const [well, broken] = of('keys-file')
  expect(well).toMatchObject({ severity: 'ok', about: '60 issuers' })
  expect(well?.issuers).toContain(`http://127.0.0.1:${nobody}/of/one`)
  expect(broken).toMatchObject({ severity: 'error', about: `http://127.0.0.1:${nobody}/t7` })
  const line = JSON.stringify({ issuers }, null, 1).split('"keys/t7.json"')[0]?.split('\n').length as number
  expect(broken?.text).toContain(`issuers.json:${line - 1}: ${join(scratch.path, 'keys/t7.json')}: `)
  expect(of('issuer-discovery')).toMatchObject([{ severity: 'error', about: '61 issuers' }])
  const unexamined = of('issuers-file').filter(({ severity }) => severity === 'hint')
  expect(unexamined.map(({ text }) => text)).toEqual([
    expect.stringContaining('https://{tenant}.nobody.example'),
    expect.stringContaining('https://off.example'),
  ])
})

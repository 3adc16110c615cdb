import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createKeyFile, replaceKeyFile } from '../../../../src/issuers/signing/write-key-file.ts'

let folder: string
let file: string
const folders: string[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'key-file-'))
  folders.push(folder)
  file = join(folder, 'keys.json')
})
afterAll(() => {
  for (const it of folders) rmSync(it, { recursive: true })
})
const modeOf = (path: string) => statSync(path).mode & 0o777

describe('a new key file', () => {
  test('is for its owner alone', async () => {
    const before = process.umask(0)
    try {
      await createKeyFile(file, 'secret')
    } finally {
      process.umask(before)
    }
    expect([modeOf(file), readFileSync(file, 'utf8')]).toEqual([0o600, 'secret'])
  })

  test.each(['a file', 'a link to nothing'])('is never written over %s', async (what) => {
    if (what === 'a file') writeFileSync(file, 'other')
    else symlinkSync(join(folder, 'nowhere'), file)
    await expect(createKeyFile(file, 'secret')).rejects.toMatchObject({ code: 'LR_USAGE' })
    expect(readdirSync(folder)).toEqual(['keys.json'])
  })

  test('in a folder that is not there is refused', async () => {
    await expect(createKeyFile(join(folder, 'a', 'b'), 'x')).rejects.toMatchObject({ code: 'LR_USAGE' })
  })
})

describe('a replaced key file', () => {
  test.each([0o600, 0o640, 0o444])('keeps its mode %o, and a link to it stays one', async (mode) => {
    writeFileSync(file, 'before')
    chmodSync(file, mode)
    const link = join(folder, 'link')
    symlinkSync('keys.json', link)
    await replaceKeyFile(link, async (content) => `${content} and after`)
    expect([modeOf(file), readFileSync(file, 'utf8')]).toEqual([mode, 'before and after'])
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(readdirSync(folder).sort()).toEqual(['keys.json', 'link'])
  })

  test('stays as it is, with nothing beside it, when the change fails or somebody else was faster', async () => {
    writeFileSync(file, 'before')
    const failing = replaceKeyFile(file, () => Promise.reject(new Error('no')))
    await expect(failing).rejects.toThrow('no')
    const late = replaceKeyFile(file, async () => {
      writeFileSync(file, 'of somebody else')
      return 'mine'
    })
    await expect(late).rejects.toMatchObject({ code: 'LR_USAGE' })
    expect(readFileSync(file, 'utf8')).toBe('of somebody else')
    expect(readdirSync(folder)).toEqual(['keys.json'])
  })
})

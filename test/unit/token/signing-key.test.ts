import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { signature } from '../../../src/token/signing-key.ts'

test('a signature that cannot be made is reported, not thrown where nobody catches it', async () => {
  // Too short for what PS256 pads it to.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 512 })
  const error = await new Promise((resolve) => {
    signature('PS256', privateKey, Buffer.from('input'), resolve)
  })
  expect(error).toMatchObject({ message: expect.stringMatching(/digest too big|key size/) })
})

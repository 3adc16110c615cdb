import { CompactSign, calculateJwkThumbprint, compactVerify, importJWK } from 'jose'
import { expect, test } from 'vitest'
import { tokenAlgorithms } from '../../../../src/events/registration.ts'
import { readKeyFile } from '../../../../src/issuers/signing/key-file.ts'
import { generateKey, privateJwk } from '../../../../src/issuers/signing/private-jwk.ts'
import { rsaKey } from './key-material.ts'

const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi']

test.each(tokenAlgorithms)('a new key for %s signs it, and its public half verifies that', async (alg) => {
  const { jwk, key } = await privateJwk(await generateKey(alg, 2_048), { alg })
  const signed = await new CompactSign(Buffer.from('x'))
    .setProtectedHeader({ alg })
    .sign(await importJWK(jwk, alg))
  await compactVerify(signed, await importJWK(key.publicJwk, alg))
  expect(key.publicJwk).toMatchObject({ alg, kid: await calculateJwkThumbprint(key.publicJwk), use: 'sig' })
  for (const name of PRIVATE) expect(key.publicJwk).not.toHaveProperty(name)
  const { keys } = await readKeyFile(Buffer.from(JSON.stringify(jwk)))
  expect(keys[0]).toMatchObject({ kid: jwk.kid, publicJwk: key.publicJwk })
})

test('a kid and a notBefore of somebody else are kept; an algorithm that does not fit is refused', async () => {
  const { jwk, key } = await privateJwk(rsaKey, { kid: 'ä kid', notBefore: 1_900_000_000 })
  expect(jwk).toMatchObject({ kid: 'ä kid', notBefore: 1_900_000_000 })
  expect(key).toMatchObject({ algorithms: ['RS256', 'PS256'], notBeforeMs: 1_900_000_000_000 })
  await expect(privateJwk(rsaKey, { alg: 'ES256' })).rejects.toMatchObject({ code: 'LR_KEYS_INVALID' })
})

import { createPrivateKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { issuerChecks } from '../../../src/diagnosis/issuer-checks.ts'
import { IssuerLooks } from '../../../src/diagnosis/issuer-looks.ts'
import { SigningKeys } from '../../../src/issuers/signing/signing-keys.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { privateJwk } from '../../support/signing-key-file.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'

const jwks = [
  privateJwk('ec', 'ec-1'),
  privateJwk('ed25519', 'ed-1', { alg: 'EdDSA', use: 'sig' }),
  privateJwk('rsa', 'rsa-1'),
]
const pem = createPrivateKey({ key: jwks[0] as never, format: 'jwk' }).export({
  format: 'pem',
  type: 'pkcs8',
})
const file = join(createScratchDirectory('fuzz-keys').path, 'keys')
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']

function withoutSecrets(text: string): void {
  if (jwks.some(({ d }) => text.includes(String(d).slice(0, 20)))) throw new Error('a private key is shown')
}

const issuer = 'https://op.example'
const published = new SigningKeys(file, systemClock)
writeFileSync(file, JSON.stringify({ keys: jwks }))
await published.load()

export const keyTargets: readonly FuzzTarget[] = [
  {
    name: 'key-file',
    samples: texts(
      JSON.stringify({ keys: jwks }),
      JSON.stringify(jwks[0]),
      String(pem),
      `${pem}\n${pem}`.replace(/\n/g, '\r\n'),
    ).slice(0, 3),
    parse: async (input) => {
      writeFileSync(file, input)
      const keys = new SigningKeys(file, systemClock)
      try {
        await keys.load()
      } catch (error) {
        withoutSecrets(messageOf(error))
        throw error
      }
      const shown = keys.publicJwks()
      if (shown.some((jwk) => PRIVATE.some((name) => name in jwk)))
        throw new Error('a private member is published')
      withoutSecrets(JSON.stringify(shown))
      if (shown.length === 0) throw new Error('a file without a key is taken')
      return shown
    },
    faults: ['LR_KEYS_INVALID'],
  },
  {
    name: 'published-keys',
    samples: texts(
      JSON.stringify({ jwks_uri: `${issuer}/jwks`, keys: published.publicJwks() }),
      JSON.stringify({ jwks_uri: `${issuer}/jwks`, keys: [] }),
    ),
    parse: async (input) => {
      const text = input.toString()
      const looked = {
        id: issuer,
        isEnabled: true,
        settings: {},
        alg: 'RS256',
        keys: published,
        sees: () => undefined,
      } as const
      const looks = new IssuerLooks({
        clock: systemClock,
        intervalMs: 1_000,
        issuers: { isOpen: false, known: () => [looked] },
        fetchDocument: async () => ({ kind: 'answered', status: 200, text, sentAtMs: 0, answeredAtMs: 0 }),
      })
      // Whatever is wrong with it is a finding; what is kept of it must be readable.
      const facts = await looks.look()
      return [looks.publications(), issuerChecks.flatMap(({ find }) => find(facts))]
    },
  },
]

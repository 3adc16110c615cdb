import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readOptions } from '../../../src/config/env.ts'
import { readIssuersFile } from '../../../src/config/issuers-file.ts'
import { EgressGuard } from '../../../src/egress/egress-guard.ts'
import { codeOf, messageOf } from '../../../src/lib/errors.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'
import { checkPlaced } from '../placed-problems.ts'

const samples = {
  BIND_ADDRESS: ['127.0.0.1', '::', 'fe80::1%eth0', 'localhost'],
  ISSUER: ['https://login.example.com/realms/a', 'http://[::1]:8080'],
  KAFKA_BROKERS: ['kafka-0.kafka:9092, kafka-1.kafka:9092', '[::1]:9092'],
  KAFKA_TOPICS: ['session-events,session_registrations.2'],
  REDIS_PREFIX: ['lr', 'a.b-c:d_e'],
  REDIS_URL: ['redis://user:p%40ss@redis:6379/2', 'rediss://[::1]:6380', 'redis://redis'],
  RETRY_DOUBTFUL_DELAYS_MS: ['31000,120000,660000', '0'],
} as const

const optionTargets = Object.entries(samples).map(([name, values]): FuzzTarget => {
  return {
    name: `option-${name.toLowerCase().replaceAll('_', '-')}`,
    samples: texts(...values),
    parse: (input) => {
      const value = input.toString()
      try {
        return readOptions([name as keyof typeof samples], { [name]: value })
      } catch (error) {
        const message = messageOf(error)
        if (!message.includes(`${name}: `))
          throw new Error(`the fault does not name ${name}`, { cause: error })
        if (value.trim().length > 12 && message.includes(value)) throw new Error('the value is quoted')
        throw error
      }
    },
    faults: ['LR_CONFIG_INVALID'],
    bytesMax: 8_192,
  }
})

const addresses = [
  '169.254.169.254',
  '127.0.0.1',
  '::ffff:10.0.0.1',
  '64:ff9b::a00:1',
  'fd00::1',
  '1.1.1.1',
  '%',
  '',
]

const issuersFile = join(createScratchDirectory('fuzz-issuers').path, 'issuers.yaml')
const issuers = `issuers:
  - issuer: https://login.example.com
    aliases: [realm:shop, "3fa1"]
    keys: { file: keys/shop.json }
    tokenLifetime: 120s
    egress: { allow: [10.0.0.0/8] }
    clients:
      - { clientId: shop, backchannelLogoutUri: https://shop.example.com/bcl, hosts: ["*.example.com"] }
  - issuer: https://b.example
    keys: { directory: other-keys }
  - issuer: https://{tenant}.login.example.com
    keys: { file: "tenants/{tenant}.json" }
`

export const configTargets: readonly FuzzTarget[] = [
  ...optionTargets,
  {
    name: 'issuers-file',
    samples: texts(
      issuers,
      JSON.stringify({
        issuers: [{ issuer: 'https://a.example', keys: { file: 'a' }, retry: { deadline: '1h' } }],
      }),
    ),
    parse: async (input) => {
      writeFileSync(issuersFile, input)
      try {
        return await readIssuersFile(issuersFile)
      } catch (error) {
        checkPlaced(error, issuersFile)
      }
    },
    faults: ['LR_ISSUERS_INVALID'],
    bytesMax: 8_192,
    // Each problem has a line of its own, which says what to do.
    growth: 256,
  },
  {
    name: 'option-egress-allow',
    samples: texts('10.0.0.0/8, rp.internal, 192.168.1.7', 'fd00::/8,::1,localhost', '64:ff9b::/96'),
    parse: (input) => {
      const { EGRESS_ALLOW } = readOptions(['EGRESS_ALLOW'], { EGRESS_ALLOW: input.toString() })
      const guard = new EgressGuard({ allowHttp: false, allow: EGRESS_ALLOW })
      return addresses.map((address) => {
        guard.isHostAllowed(address)
        try {
          guard.checkAddress(address)
          return true
        } catch (error) {
          if (codeOf(error) !== 'LR_EGRESS_BLOCKED') throw error
          return false
        }
      })
    },
    faults: ['LR_CONFIG_INVALID'],
    bytesMax: 8_192,
  },
]

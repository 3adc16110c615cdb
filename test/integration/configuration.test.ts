import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { runRelay } from '../support/run-relay.ts'

/** Stands where Kafka and Redis should be, to see whether anybody connects. */
let connections = 0
const listener = createServer((socket) => {
  connections++
  socket.destroy()
})
const scratch = createScratchDirectory('test')
const folder = scratch.path
let address: string

beforeAll(async () => {
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  address = `127.0.0.1:${(listener.address() as AddressInfo).port}`
})
afterAll(async () => {
  listener.close()
  await scratch.remove()
})

const valid = () => ({
  KAFKA_BROKERS: address,
  REDIS_URL: `redis://${address}`,
  ISSUER: 'https://login.test.example',
  SIGNING_KEYS_FILE: join(folder, 'keys.json'),
  PORT: '0',
})

describe.concurrent('a wrong configuration ends with status 2 before anything is connected to', () => {
  test('every problem is listed at once, and no value is shown', async () => {
    const { status, output } = await runRelay({
      ...valid(),
      KAFKA_BROKERS: 'no-port',
      REDIS_URL: 'http://:hunter2@example',
      ISSUER: 'not a url',
      KAFKA_START_FROM: 'yesterday',
      ATTEMPT_TIMEOUT_MS: '-1',
      MAX_IN_FLIGHT: '1e3',
      EGRESS_ALLOW: '10.0.0.0/99,fine.example',
      EGRESS_ALLOW_HTTP: 'yes',
      RETRY_DOUBTFUL_DELAYS_MS: '1s',
      LOG_LEVEL: 'loud',
      PORT: '70000',
    })
    expect(status).toBe(2)
    const named = output.split('\n').flatMap((line) => /^ {2}([A-Z_]+): \S/.exec(line)?.[1] ?? [])
    expect(named.sort()).toEqual(
      [
        ...[
          'KAFKA_BROKERS',
          'REDIS_URL',
          'ISSUER',
          'KAFKA_START_FROM',
          'ATTEMPT_TIMEOUT_MS',
          'MAX_IN_FLIGHT',
        ],
        ...['EGRESS_ALLOW', 'EGRESS_ALLOW_HTTP', 'RETRY_DOUBTFUL_DELAYS_MS', 'LOG_LEVEL', 'PORT'],
        // There is no such file.
        'SIGNING_KEYS_FILE',
      ].sort(),
    )
    expect(output).toContain('12 problems')
    expect(output).not.toContain('hunter2')
    expect(output).not.toMatch(/^ +at /m)
  })

  test.each([
    ['REDIS_URL', 'redis://:hunter2%off@h'],
    ['KAFKA_BROKERS', 'hunter2:99999'],
    ['EGRESS_ALLOW', 'https://user:hunter2@rp.internal'],
    ['ISSUER', 'https://:hunter2@'],
  ])('%s that no client could use', async (name, value) => {
    const { status, output } = await runRelay({ ...valid(), [name]: value })
    expect(status).toBe(2)
    expect(output).toContain(`  ${name}: `)
    expect(output).not.toMatch(/hunter2|^ +at /m)
  })

  test('what is missing', async () => {
    const { status, output } = await runRelay({})
    expect(status).toBe(2)
    for (const name of ['KAFKA_BROKERS', 'REDIS_URL', 'ISSUER', 'SIGNING_KEYS_FILE']) {
      expect(output).toContain(`${name}: is required`)
    }
  })

  test('what is right by itself but not together', async () => {
    const { status, output } = await runRelay({
      ...valid(),
      KAFKA_TOPICS: 'a,b',
      KAFKA_DEAD_LETTER_TOPIC: 'b',
      RETRY_LEASE_MS: '5000',
      ATTEMPT_TIMEOUT_MS: '5000',
    })
    expect(status).toBe(2)
    expect(output).toContain('KAFKA_DEAD_LETTER_TOPIC: ')
    expect(output).toContain('RETRY_LEASE_MS: ')
  })
})

describe.concurrent('signing keys that cannot be used end it with a message, without key material', () => {
  test('a key file that is missing', async () => {
    const { status, output } = await runRelay({
      ...valid(),
      SIGNING_KEYS_FILE: join(folder, 'nowhere.json'),
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA_FILE: folder,
      PORT: 'http',
    })
    expect(status).toBe(2)
    expect(output).toContain('3 problems')
    expect(output).toMatch(/SIGNING_KEYS_FILE: the file cannot be read \(ENOENT\)/)
    expect(output).toMatch(/KAFKA_TLS_CA_FILE: the file cannot be read \(EISDIR\)/)
    expect(output).not.toMatch(/^ +at /m)
  })

  test.each([
    { name: 'not JSON', text: '{"keys": oops}' },
    { name: 'a symmetric key', text: '{"kty":"oct","k":"c2VjcmV0LWtleS1tYXRlcmlhbA"}' },
    {
      name: 'a PEM that is damaged',
      text: '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----',
    },
  ])('a key file that holds $name', async ({ name, text }) => {
    const file = join(folder, `${name}.keys`)
    await writeFile(file, text)
    const { status, output } = await runRelay({ ...valid(), SIGNING_KEYS_FILE: file })
    expect(status).toBe(2)
    expect(output).toContain('SIGNING_KEYS_FILE: ')
    expect(output).not.toContain('c2VjcmV0')
    expect(output).not.toMatch(/^ +at /m)
  })
})

test('none of them connected to anything', () => {
  expect(connections).toBe(0)
})

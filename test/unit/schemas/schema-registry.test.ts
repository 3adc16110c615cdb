import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { schemaChecks } from '../../../src/diagnosis/schema-registry.ts'
import { readAvro } from '../../../src/events/decoding/avro/read-avro.ts'
import { SchemaRegistry, type SchemaRegistryOptions } from '../../../src/schemas/schema-registry.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { freePort } from '../../support/free-port.ts'
import { SchemaRegistryServer } from '../../support/schema-registry-server.ts'
import { selfSignedCertificate } from '../../support/self-signed-certificate.ts'

let server: SchemaRegistryServer
/** Monotonic, in milliseconds. */
let now = 0

beforeEach(async () => {
  server = await SchemaRegistryServer.listen()
})
afterEach(() => server[Symbol.asyncDispose]())

const open = (options: Partial<SchemaRegistryOptions> = {}) =>
  new SchemaRegistry({ url: server.url, tls: {}, ...options }, { monotonic: () => now })
const find = async (registry: SchemaRegistry, id: number) => {
  // Nobody asks again at once after a failure.
  now += 1_000
  return registry.find({ kind: 'id', id })
}
const found = async (registry: SchemaRegistry) => schemaChecks[0]?.find(await registry.look())[0]
const text = { type: 'record', name: 'Text', fields: [{ name: 'text', type: 'string' }] }

describe('a schema', () => {
  test('is asked for once, by whoever needs it at the same time', async () => {
    const registry = open()
    const id = server.register(text)
    const schemas = await Promise.all([find(registry, id), find(registry, id), find(registry, id)])
    expect(registry.find({ kind: 'id', id })).toBe(schemas[0])
    expect(server.asked).toEqual([`/schemas/ids/${id}`])
  })

  test('is found by its GUID', async () => {
    const guid = '00112233-4455-6677-8899-aabbccddeeff'
    server.register({ schema: JSON.stringify(text), guid })
    expect(await open().find({ kind: 'guid', guid })).toMatchObject({ kind: 'avro' })
  })

  test('comes with those that it refers to, each once', async () => {
    const reference = (id: number) => ({ name: '', subject: `subject-${id}`, version: 1 })
    const first = server.register(text)
    const pair = { type: 'record', name: 'Pair', fields: ['a', 'b'].map((name) => ({ name, type: 'Text' })) }
    const second = server.register({ schema: JSON.stringify(pair), references: [reference(first)] })
    const both = {
      type: 'record',
      name: 'Both',
      fields: [
        { name: 'pair', type: 'Pair' },
        { name: 'c', type: 'Text' },
      ],
    }
    const references = [reference(second), reference(first)]
    const schema = await find(open(), server.register({ schema: JSON.stringify(both), references }))
    if (schema.kind !== 'avro') throw new Error('no Avro')
    const json = { pair: { a: { text: 'a' }, b: { text: 'b' } }, c: { text: 'c' } }
    expect(readAvro(schema.type, Buffer.from('\u0002a\u0002b\u0002c'))).toEqual({ kind: 'json', json })
  })

  test.each([
    ['with null for what it has not', { schema: '"int"', schemaType: null, references: null }],
    ['with its type in small letters', { schema: '"int"', schemaType: 'avro' }],
    [
      'with members that this relay does not know',
      { schema: '"int"', ruleSet: { domainRules: [] }, metadata: null, maxId: 9, version: '7' },
    ],
  ])('%s is read all the same', async (_, registered) => {
    expect(await find(open(), server.register(registered))).toMatchObject({ kind: 'avro' })
  })

  test.each([
    ['gzip', gzipSync],
    ['X-GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('is read where a proxy compresses it unasked (%s), and its bound holds', async (encoding, compress) => {
    const answer = (schema: string) => {
      const body = compress(JSON.stringify({ schema }))
      server.instead = (_, response) =>
        void response.writeHead(200, { 'content-encoding': encoding }).end(body)
    }
    answer('"int"')
    expect(await find(open(), 1)).toMatchObject({ kind: 'avro' })
    answer(`"${' '.repeat(4_000_000)}"`)
    expect(await find(open(), 1)).toMatchObject({
      kind: 'unusable',
      problem: expect.stringContaining('1048576 bytes'),
    })
  })

  test('that does not exist is asked for again later', async () => {
    const registry = open()
    const problem = 'is not in the schema registry'
    expect(await find(registry, 1)).toEqual({ kind: 'unusable', problem })
    server.register(text)
    expect(await find(registry, 1)).toEqual({ kind: 'unusable', problem })
    now += 60_000
    expect(await find(registry, 1)).toMatchObject({ kind: 'avro' })
  })

  test.each([
    ['of Protobuf', { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' }, 'Protobuf'],
    ['of a type to come', { schema: '', schemaType: 'THRIFT' }, 'THRIFT'],
    ['that is not valid', { schema: '{' }, 'not JSON'],
    ['of megabytes', { schema: `"${' '.repeat(2_000_000)}"` }, '1048576 bytes'],
    [
      'with a reference that does not exist',
      { schema: '"int"', references: [{ name: '', subject: 'none', version: 1 }] },
      'refers to another that is not in the schema registry',
    ],
    ['with references that are none', { schema: '"int"', references: [null] }, 'a reference without subject'],
  ])('%s is told', async (_, registered, problem) => {
    const schema = await find(open(), server.register(registered))
    expect(schema).toEqual({ kind: 'unusable', problem: expect.stringContaining(problem) })
  })

  test('of JSON Schema is known as such', async () => {
    expect(await find(open(), server.register({ schema: '{}', schemaType: 'JSON' }))).toEqual({
      kind: 'json',
    })
  })
})

test('records with ever other ids make it ask at a bounded pace, and no other record waits for them', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  try {
    const registry = open()
    const known = server.register(text)
    await find(registry, known)
    server.asked.length = 0
    now += 1_000
    const ids = Array.from({ length: 50 }, (_, i) => 1_000 + i)
    const looks = ids.map(async (id) => registry.find({ kind: 'id', id }))
    expect((await looks[0])?.kind).toBe('unusable')
    expect(server.asked).toHaveLength(1)
    expect(registry.find({ kind: 'id', id: known })).toMatchObject({ kind: 'avro' })
    await vi.advanceTimersByTimeAsync(1_000)
    await Promise.all(looks)
    expect(server.asked).toHaveLength(ids.length)
  } finally {
    vi.useRealTimers()
  }
})

test('it keeps no more schemas than its bound', async () => {
  const registry = open()
  const long = { ...text, doc: 'x'.repeat(1_000_000) }
  const ids = Array.from({ length: 12 }, () => server.register(long))
  for (const id of ids) await find(registry, id)
  server.asked.length = 0
  await find(registry, ids.at(-1) as number)
  expect(server.asked).toEqual([])
  await find(registry, ids[0] as number)
  expect(server.asked).toHaveLength(1)
})

describe('a registry that cannot be asked is waited for, and a finding tells it with the remedy', () => {
  const answering = (status: number, body: string, headers: Record<string, string> = {}) => {
    server.instead = (_, response) => void response.writeHead(status, headers).end(body)
  }

  test.each<[string, () => void, string, string]>([
    ['an error of the server', () => answering(500, '{"error_code":50001}'), '500', 'read the log'],
    ['a proxy without a server', () => answering(503, 'no upstream'), '503', 'read the log'],
    ['too many requests', () => answering(429, '{}'), '429', 'read the log'],
    ['a missing right', () => answering(403, '{"error_code":40301}'), '403', 'SCHEMA_REGISTRY_USERNAME'],
    [
      'a redirect',
      () => answering(302, '', { location: 'http://127.0.0.1:1/' }),
      '302',
      'SCHEMA_REGISTRY_URL',
    ],
    ['a path of something else', () => answering(404, '<html>'), 'no schema registry', 'SCHEMA_REGISTRY_URL'],
    ['a page of something else', () => answering(200, '<html>'), 'no schema registry', 'SCHEMA_REGISTRY_URL'],
    [
      'a compression unknown here',
      () => answering(200, '{}', { 'content-encoding': 'zstd' }),
      'cannot be read',
      'log',
    ],
    ['what is no gzip', () => answering(200, '{}', { 'content-encoding': 'gzip' }), 'cannot be read', 'log'],
    ['another API', () => answering(200, '{"ok":true}'), 'no schema registry', 'SCHEMA_REGISTRY_URL'],
    [
      'a closed connection',
      () => {
        server.instead = ({ socket }) => socket.destroy()
      },
      'ECONNRESET',
      'log',
    ],
    [
      'a login that it asks for',
      () => {
        server.authorization = 'Basic eDp5'
      },
      '401',
      'SCHEMA_REGISTRY_PASSWORD',
    ],
  ])('%s', async (_, fail, text, remedy) => {
    const registry = open()
    const id = server.register({ schema: '"int"' })
    fail()
    await expect(find(registry, id)).rejects.toThrow(expect.objectContaining({ code: 'LR_UNREACHABLE' }))
    const finding = {
      severity: 'error',
      text: expect.stringContaining(text),
      remedy: expect.stringContaining(remedy),
    }
    expect(await found(registry)).toMatchObject(finding)
    server.instead = undefined
    server.authorization = undefined
    expect(await find(registry, id)).toMatchObject({ kind: 'avro' })
    expect(await found(registry)).toMatchObject({ severity: 'ok' })
  })

  test('it does not answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    try {
      server.instead = () => undefined
      const registry = open()
      const looked = expect(find(registry, 1)).rejects.toThrow('LR_ATTEMPT_TIMEOUT')
      await vi.waitFor(() => expect(server.asked).toHaveLength(1))
      await vi.advanceTimersByTimeAsync(10_000)
      await looked
    } finally {
      vi.useRealTimers()
    }
  })

  test('nothing listens there: a warning as long as no record needs it', async () => {
    const registry = open({ url: `http://127.0.0.1:${await freePort()}` })
    expect(await found(registry)).toMatchObject({
      severity: 'warning',
      text: expect.stringContaining('ECONNREFUSED'),
    })
    await expect(find(registry, 1)).rejects.toThrow('ECONNREFUSED')
    expect(await found(registry)).toMatchObject({ severity: 'error' })
    now += 60_000
    expect(await found(registry)).toMatchObject({ severity: 'warning' })
  })

  test('an id that a registry refuses in another way is unknown to it, as long as it is one', async () => {
    const registry = open()
    server.instead = (request, response) =>
      request.url === '/schemas/types'
        ? void response.writeHead(200).end('["AVRO"]')
        : void response.writeHead(404).end('{"error_code":404,"message":"HTTP 404 Not Found"}')
    const guid = '00112233-4455-6677-8899-aabbccddeeff'
    expect(await registry.find({ kind: 'guid', guid })).toMatchObject({ kind: 'unusable' })
  })
})

describe('what a look says is about a schema, as it is schemas that records wait for', () => {
  const only = (path: string, status: number, body: string) => {
    server.instead = (request, response) =>
      request.url === path
        ? void response.writeHead(status).end(body)
        : void response
            .writeHead(200)
            .end(request.url === '/schemas/types' ? '["AVRO"]' : '{"schema":"\\"int\\""}')
  }
  const look = async (registry: SchemaRegistry, ...ids: number[]) =>
    schemaChecks[0]?.find(await registry.look(ids.map((id) => ({ kind: 'id', id }))))

  test.each([
    [500, '{"error_code":50001}', 'answers 500'],
    [401, '{"error_code":40101}', 'answers 401'],
    [404, '<html>', 'answers 404'],
  ])('one that answers what it is, and %s for a schema, is not well', async (status, body, text) => {
    for (const [id, ids] of [
      [7, [7]],
      [1, []],
    ] as const) {
      only(`/schemas/ids/${id}`, status, body)
      const [said] = (await look(open(), ...ids)) ?? []
      expect(said).toMatchObject({ severity: 'warning', text: expect.stringContaining(text) })
      expect(said?.text).toContain(`asked for /schemas/ids/${id}`)
    }
  })

  test('a running relay asks again for one that a record has needed', async () => {
    const registry = open()
    const id = server.register(text)
    await find(registry, id)
    expect(await found(registry)).toMatchObject({ severity: 'ok' })
    only(`/schemas/ids/${id}`, 403, '{"error_code":40301}')
    expect(await found(registry)).toMatchObject({ severity: 'warning' })
  })

  test('no schema of the first id is no fault, and one that records have, and nobody can read, is told', async () => {
    expect(await found(open())).toMatchObject({
      severity: 'ok',
      text: expect.stringContaining('/schemas/ids/1'),
    })
    const protobuf = server.register({ schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' })
    expect(await look(open(), protobuf, 99, server.register(text))).toMatchObject([
      { severity: 'warning', about: `schema ${protobuf}`, text: expect.stringContaining('Protobuf') },
      {
        severity: 'warning',
        about: 'schema 99',
        text: expect.stringContaining('is not in the schema registry'),
      },
    ])
  })
})

test('the login goes to the registry alone, not to where it redirects', async () => {
  const elsewhere: (string | undefined)[] = []
  const other = createServer((request, response) => {
    elsewhere.push(request.headers.authorization)
    response.end('{"schema":"\\"int\\""}')
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const registry = open({ username: 'key', password: 'sécret' })
    server.authorization = `Basic ${Buffer.from('key:sécret').toString('base64')}`
    const id = server.register(text)
    expect(await find(registry, id)).toMatchObject({ kind: 'avro' })
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`
    server.instead = (_, response) => void response.writeHead(301, { location }).end()
    await expect(find(registry, id + 1)).rejects.toThrow('301')
    expect(elsewhere).toEqual([])
  } finally {
    other.close()
  }
})

test('over TLS it trusts the authorities of the file alone, and the remedy names the option', async () => {
  const certificate = selfSignedCertificate('localhost')
  const secured = createTlsServer(certificate, (_, response) => response.end('{"schema":"\\"int\\""}'))
  secured.listen(0, 'localhost')
  await once(secured, 'listening')
  const scratch = createScratchDirectory('registry')
  try {
    const caFile = `${scratch.path}/ca.pem`
    writeFileSync(caFile, certificate.cert)
    const url = `https://localhost:${(secured.address() as AddressInfo).port}`
    expect(await find(open({ url, tls: { caFile } }), 1)).toMatchObject({ kind: 'avro' })
    const other = open({ url })
    await expect(find(other, 1)).rejects.toThrow(expect.objectContaining({ code: 'LR_UNREACHABLE' }))
    expect(await found(other)).toMatchObject({
      severity: 'error',
      remedy: expect.stringContaining('SCHEMA_REGISTRY_TLS_CA_FILE'),
    })
  } finally {
    secured.close()
    await scratch.remove()
  }
})

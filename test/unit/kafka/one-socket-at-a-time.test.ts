import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import '../../../src/kafka/kafkajs.ts'

const require = createRequire(import.meta.url)
const Connection = require('kafkajs/src/network/connection')
const socketFactory = require('kafkajs/src/network/socketFactory')()
const logger = { namespace: () => logger, debug() {}, error() {}, warn() {}, info() {} }

let server: Server
let accepted: Socket[]
let made: number

beforeEach(async () => {
  accepted = []
  made = 0
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket.resume().on('error', () => undefined))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  for (const socket of accepted) socket.destroy()
  server.close()
})

const connectionTo = () =>
  new Connection({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    logger,
    socketFactory: (options: object) => {
      made++
      return socketFactory(options)
    },
    connectionTimeout: 5_000,
    requestTimeout: 5_000,
  })

const socketsAccepted = (count: number) => vi.waitFor(() => expect(accepted).toHaveLength(count))

test('the late end of a socket that was given up leaves its successor alone', async () => {
  const connection = connectionTo()
  await connection.connect()
  await socketsAccepted(1)
  const given = connection.socket as Socket
  await connection.disconnect()
  await connection.connect()
  await socketsAccepted(2)
  accepted[0]?.end()
  await once(given, 'close')
  expect(connection.isConnected()).toBe(true)
  expect(connection.socket.writable).toBe(true)
  await connection.disconnect()
})

test('the end of a socket that was given up while its successor connects leaves that writable', async () => {
  const connection = connectionTo()
  await connection.connect()
  await socketsAccepted(1)
  const given = connection.socket as Socket
  await connection.disconnect()
  const connected = connection.connect()
  given.emit('end')
  await connected
  expect(connection.socket.writable).toBe(true)
  await connection.disconnect()
})

test('who connects at the same time shares one socket', async () => {
  const connection = connectionTo()
  await Promise.all([connection.connect(), connection.connect()])
  expect(made).toBe(1)
  await connection.disconnect()
  await connection.connect()
  expect(made).toBe(2)
  await connection.disconnect()
})

test('what is connected while an earlier disconnect still waits for answers stays connected', async () => {
  const connection = connectionTo()
  await connection.connect()
  let answered = (): void => undefined
  connection.requestQueue.waitForPendingRequests = () => new Promise<void>((resolve) => (answered = resolve))
  const disconnected = connection.disconnect()
  const connected = connection.connect()
  answered()
  await Promise.all([disconnected, connected])
  expect(connection.isConnected()).toBe(true)
  expect(connection.socket.writable).toBe(true)
  connection.requestQueue.waitForPendingRequests = async () => undefined
  await connection.disconnect()
})

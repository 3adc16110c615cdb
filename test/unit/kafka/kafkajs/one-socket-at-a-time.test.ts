import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../../../support/eventually.ts'
import '../../../../src/kafka/kafkajs/kafkajs.ts'

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

const connectionTo = (options: object = {}) =>
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
    ...options,
  })

const socketsAccepted = (count: number) => eventually(() => expect(accepted).toHaveLength(count))

/** A connection whose first socket was given up; the server has not ended its side. */
async function disconnected() {
  const connection = connectionTo()
  await connection.connect()
  await socketsAccepted(1)
  const givenUp = connection.socket as Socket
  await connection.disconnect()
  return { connection, givenUp }
}

test('the late end of a socket that was given up leaves its successor alone', async () => {
  const { connection, givenUp } = await disconnected()
  await connection.connect()
  await socketsAccepted(2)
  accepted[0]?.end()
  await eventually(() => expect(givenUp.closed).toBe(true))
  expect(connection.isConnected()).toBe(true)
  expect(connection.socket.writable).toBe(true)
  await connection.disconnect()
})

test('the end of a socket that was given up while its successor connects leaves that writable', async () => {
  const { connection, givenUp } = await disconnected()
  const connected = connection.connect()
  givenUp.emit('end')
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

test('a server that ends the connection before TLS stands leaves the way open for the next attempt', async () => {
  server.on('connection', (socket: Socket) => socket.end())
  const connection = connectionTo({ ssl: { rejectUnauthorized: false } })
  await expect(connection.connect()).rejects.toThrow('Connection error')
  await expect(connection.connect()).rejects.toThrow('Connection error')
  expect(made).toBe(2)
})

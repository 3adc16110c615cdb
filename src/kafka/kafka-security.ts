import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory, SASLOptions } from 'kafkajs'
import { tlsHandshake } from '../lib/connect-any.ts'
import { reachableAddress } from '../lib/reachable-address.ts'
import { RecentFailures } from '../lib/recent-failures.ts'
import { serverName } from '../lib/server-name.ts'
import { readTlsFiles, type TlsFiles } from '../lib/tls-files.ts'
import { hostFromKafkajs } from './broker-address.ts'

/** How to connect to Kafka. The default is plaintext without authentication. SASL needs all of its fields. */
export interface KafkaSecurity {
  readonly isTls?: boolean
  readonly tls?: TlsFiles
  readonly sasl?: {
    readonly mechanism?: 'plain' | 'scram-sha-256' | 'scram-sha-512' | undefined
    readonly username?: string | undefined
    readonly password?: string | undefined
  }
}

const KEEP_ALIVE_MS = 60_000
/** Short: a dead broker must be noticed before the group evicts this member. */
export const CONNECTION_TIMEOUT_MS = 3_000

export function securityConfig({ isTls = false, tls = {}, sasl = {} }: KafkaSecurity): {
  ssl?: true
  sasl?: SASLOptions
  socketFactory: ISocketFactory
} {
  const { mechanism, username, password } = sasl
  const isComplete = mechanism !== undefined && username !== undefined && password !== undefined
  return {
    ...(isTls && { ssl: true }),
    socketFactory: sockets(isTls ? tls : undefined),
    ...(isComplete && { sasl: { mechanism, username, password } as SASLOptions }),
  }
}

/** Reads the files for every connection, to renew certificates without a restart. */
function sockets(files: TlsFiles | undefined): ISocketFactory {
  const failures = new RecentFailures()
  return ({ host: name, port, onConnect }) => {
    const host = hostFromKafkajs(name)
    const tls = files && { ...serverName(host), ...readTlsFiles(files) }
    const handshake = tls && tlsHandshake(tls)
    const lookup = reachableAddress({ port, timeoutMs: CONNECTION_TIMEOUT_MS, handshake, failures })
    const to = { host, port, lookup }
    const socket = tls === undefined ? connectTcp(to, onConnect) : connectTls({ ...to, ...tls }, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    return socket
  }
}

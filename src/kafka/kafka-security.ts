import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory, SASLOptions } from 'kafkajs'
import { readTlsFiles, type TlsFiles } from '../lib/tls-files.ts'
import { hostFromKafkajs } from './broker-address.ts'

/** How Kafka is connected to: in clear and as nobody, unless something is said. */
export interface KafkaSecurity {
  readonly tls?: TlsFiles
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  }
}

const KEEP_ALIVE_MS = 60_000

/** The part of kafkajs' configuration that says so. */
export function securityConfig({ tls, sasl }: KafkaSecurity): {
  ssl?: true
  sasl?: SASLOptions
  socketFactory: ISocketFactory
} {
  return {
    ...(tls !== undefined && { ssl: true }),
    socketFactory: sockets(tls),
    ...(sasl !== undefined && { sasl: { ...sasl } as SASLOptions }),
  }
}

/** The files are read for every connection, so that a certificate is renewed without a restart. */
function sockets(files: TlsFiles | undefined): ISocketFactory {
  return ({ host: name, port, onConnect }) => {
    const host = hostFromKafkajs(name)
    const socket =
      files === undefined ? connectTcp({ host, port }, onConnect) : tlsSocket(files, host, port, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    return socket
  }
}

function tlsSocket(files: TlsFiles, host: string, port: number, onConnect: () => void): Socket {
  return connectTls(
    { host, port, ...(isIP(host) === 0 && { servername: host }), ...readTlsFiles(files) },
    onConnect,
  )
}

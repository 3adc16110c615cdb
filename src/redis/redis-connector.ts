import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import { tlsHandshake } from '../lib/connect-any.ts'
import { reachableAddress } from '../lib/reachable-address.ts'
import { RecentFailures } from '../lib/recent-failures.ts'
import { serverName } from '../lib/server-name.ts'

/** Connects as ioredis does to a single server, but to any address of its name, and sends the name over TLS (SNI). */
export class RedisConnector extends AbstractConnector {
  readonly #options: RedisOptions
  readonly #failures = new RecentFailures()

  constructor(options: unknown) {
    super((options as RedisOptions).disconnectTimeout ?? 0)
    this.#options = options as RedisOptions
  }

  /** Throws only if it was closed before it began: ioredis does not retry after an error. */
  override async connect(): ReturnType<AbstractConnector['connect']> {
    const { host = 'localhost', port = 6379, family, tls, connectTimeout = 10_000 } = this.#options
    this.connecting = true
    await Promise.resolve()
    if (!this.connecting) throw new Error('Connection is closed.')
    const secured = tls && { ...serverName(host), ...tls }
    const lookup = reachableAddress({
      port: Number(port),
      timeoutMs: connectTimeout,
      handshake: secured && tlsHandshake(secured),
      failures: this.#failures,
    })
    const to = { host, port: Number(port), lookup, ...(family !== undefined && { family }) }
    const stream = secured === undefined ? connectTcp(to) : connectTls({ ...to, ...secured })
    stream.once('error', (error) => {
      this.firstError = error
    })
    this.stream = stream
    return stream
  }
}

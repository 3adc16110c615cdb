import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { ISSUER } from '../workload.ts'
import type { Client } from './history.ts'

const SLOW_MS = 400
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** A valid token as an RP got it. */
export interface Arrival {
  readonly clientId: string
  readonly sid: string | undefined
  readonly sub: string | undefined
  readonly jti: string
  /** On the wall clock, when it came in. */
  readonly atMs: number
  /** Answered with 200, and the relay was still there to hear it. */
  isAccepted: boolean
}

/** The RPs of a batch: each a path, behind two ports of which one can be closed. They believe nothing that they cannot verify. */
export class ModelRelyingParties implements AsyncDisposable {
  readonly arrivals: Arrival[] = []
  /** Why a token was not valid. */
  readonly invalid: string[] = []
  readonly #clients = new Map<string, { readonly client: Client; asked: number }>()
  readonly #keys: ReturnType<typeof createLocalJWKSet>
  readonly #steady: Server
  #refusing: Server | undefined
  #steadyPort = 0
  #refusingPort = 0

  static async listen(clients: readonly Client[], jwks: JSONWebKeySet): Promise<ModelRelyingParties> {
    const rps = new ModelRelyingParties(clients, jwks)
    rps.#steadyPort = await listen(rps.#steady, 0)
    await rps.open()
    return rps
  }

  private constructor(clients: readonly Client[], jwks: JSONWebKeySet) {
    this.#keys = createLocalJWKSet(jwks)
    for (const client of clients) this.#clients.set(client.clientId, { client, asked: 0 })
    this.#steady = this.#createServer()
  }

  uri(clientId: string): string {
    const isRefusing = this.#clients.get(clientId)?.client.isRefusing === true
    return `http://127.0.0.1:${isRefusing ? this.#refusingPort : this.#steadyPort}/${clientId}`
  }

  client(clientId: string): Client {
    const found = this.#clients.get(clientId)
    if (found === undefined) throw new Error(`no client ${clientId}`)
    return found.client
  }

  async open(): Promise<void> {
    if (this.#refusing !== undefined) return
    this.#refusing = this.#createServer()
    this.#refusingPort = await listen(this.#refusing, this.#refusingPort)
  }

  /** Connections to the RPs that refuse are refused until `open`. */
  async close(): Promise<void> {
    const server = this.#refusing
    this.#refusing = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
    this.#steady.close()
    this.#steady.closeAllConnections()
  }

  #createServer(): Server {
    const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('error', () => undefined)
      request.on('end', () => {
        void this.#take(request, response, Buffer.concat(chunks).toString('latin1'))
      })
    })
    server.requestTimeout = 0
    return server
  }

  async #take(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const atMs = Date.now()
    const clientId = (request.url ?? '').slice(1)
    const found = this.#clients.get(clientId)
    const token = new URLSearchParams(body).get('logout_token') ?? ''
    const arrival = await this.#verify(clientId, token, atMs)
    if (found === undefined || typeof arrival === 'string') {
      this.invalid.push(`${clientId}: ${found === undefined ? 'unknown client' : arrival}`)
      response.writeHead(400).end()
      return
    }
    this.arrivals.push(arrival)
    const { answers, isForGood } = found.client
    const asked = isForGood ? Math.min(found.asked, answers.length - 1) : found.asked
    found.asked++
    const answer = answers[asked] ?? 200
    if (answer === 'hang') return
    const status = answer === 'slow' ? 200 : answer
    const send = () => {
      arrival.isAccepted = status === 200 && !request.socket.destroyed
      response.writeHead(status, { 'content-length': 0, 'cache-control': 'no-store' }).end()
    }
    if (answer === 'slow') setTimeout(send, SLOW_MS)
    else send()
  }

  async #verify(clientId: string, token: string, atMs: number): Promise<Arrival | string> {
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: ISSUER,
        audience: clientId,
        typ: 'logout+jwt',
      })
      const { sid, sub, jti, events, nonce, exp } = payload as Record<string, unknown>
      if ((events as Record<string, unknown> | undefined)?.[LOGOUT_EVENT] === undefined) return 'no events'
      if (nonce !== undefined || typeof exp !== 'number') return 'nonce, or no exp'
      if (typeof jti !== 'string' || (sid === undefined && sub === undefined)) return 'jti, sid, sub'
      const claims = { sid: sid as string | undefined, sub: sub as string | undefined, jti }
      return { ...claims, clientId, atMs, isAccepted: false }
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

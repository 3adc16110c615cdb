import type { RequestListener } from 'node:http'
import type { JSONWebKeySet, JWK } from 'jose'
import type Provider from 'oidc-provider'
import { type RelayedLogouts, relayLogouts } from '../../../src/node-oidc-provider/relay-logouts.ts'
import { privateJwk } from '../signing-key-file.ts'
import { createOidcProvider } from './create-oidc-provider.ts'
import { Listener } from './listener.ts'

/** Where a provider writes its registrations and triggers. */
export interface ProviderOptions {
  readonly kafkaBrokers: string
  readonly topic: string
  readonly onError?: (error: Error) => void
}

/** Client metadata in the wire names of OpenID Connect Dynamic Client Registration. */
export interface ClientMetadata {
  readonly client_id: string
  readonly client_secret: string
  readonly redirect_uris: readonly string[]
  readonly post_logout_redirect_uris: readonly string[]
  readonly backchannel_logout_uri: string
  readonly backchannel_logout_session_required: boolean
}

/** Starts a provider on a free loopback port, with a signing key of its own. */
export async function startProvider(options: ProviderOptions): Promise<IdentityProvider> {
  return IdentityProvider.start(await Listener.open(), options)
}

/** Starts an issuer below each of the paths, on one port; their keys have one name, as where each tenant counts its own. */
export async function startIssuers(
  paths: readonly string[],
  options: ProviderOptions,
): Promise<IdentityProvider[]> {
  const listener = await Listener.open()
  const providers = await Promise.all(paths.map((path) => IdentityProvider.start(listener, options, path)))
  const handlers = providers.map(({ handle }) => handle)
  listener.handle = (request, response) => {
    const { url = '' } = request
    const at = paths.findIndex((path) => url.startsWith(`${path}/`))
    const handle = handlers[at]
    if (handle === undefined) return response.writeHead(404).end()
    // As Express does below a path: by the two the provider finds out where it is.
    Object.assign(request, { originalUrl: url, url: url.slice(paths[at]?.length) })
    return handle(request, response)
  }
  return providers
}

/** A fresh key, of the one algorithm that every kind of RP accepts without being told. */
export function providerKey(): JWK {
  return privateJwk('rsa', 'provider-key-1', { alg: 'RS256', use: 'sig' })
}

/**
 * A real OpenID provider whose logouts the relay sends: the three lines of `start` are all that it takes.
 *
 * Anybody can log in with any name; the name is the user id and the `sub`.
 */
export class IdentityProvider {
  readonly issuer: string
  /** The private keys that sign ID tokens, as they go into the relay's key file. */
  readonly privateKeys: JSONWebKeySet
  readonly handle: RequestListener
  readonly #listener: Listener
  readonly #provider: Provider
  readonly #logouts: RelayedLogouts
  readonly #sessionsByUser = new Map<string, Set<string>>()

  /** `path`: where whoever shares the listener among several puts it. */
  static async start(
    listener: Listener,
    { kafkaBrokers, ...options }: ProviderOptions,
    path = '',
  ): Promise<IdentityProvider> {
    const privateKeys = { keys: [providerKey()] }
    const provider = createOidcProvider(`${listener.url}${path}`, privateKeys)
    const logouts = await relayLogouts(provider, { brokers: kafkaBrokers.split(','), ...options })
    return new IdentityProvider(listener, privateKeys, provider, logouts)
  }

  private constructor(
    listener: Listener,
    privateKeys: JSONWebKeySet,
    provider: Provider,
    logouts: RelayedLogouts,
  ) {
    this.issuer = provider.issuer
    this.privateKeys = privateKeys
    this.#listener = listener
    this.#provider = provider
    this.#logouts = logouts
    provider.on('session.saved', ({ accountId, uid }) => {
      if (accountId === undefined) return
      const sessions = this.#sessionsByUser.get(accountId) ?? new Set()
      this.#sessionsByUser.set(accountId, sessions.add(uid))
    })
    provider.on('session.destroyed', ({ accountId = '', uid }) => {
      this.#sessionsByUser.get(accountId)?.delete(uid)
    })
    this.handle = provider.callback()
    listener.handle = this.handle
  }

  async register(client: ClientMetadata): Promise<void> {
    await this.#provider.Client.adapter.upsert(client.client_id, client)
  }

  /** The ids of the user's sessions, oldest first. */
  sessionsOf(userId: string): string[] {
    return [...(this.#sessionsByUser.get(userId) ?? [])]
  }

  /** What an administrator does: the session ends here and now, and with it the logins at every RP. */
  async terminateSession(sessionId: string): Promise<void> {
    const session = await this.#provider.Session.findByUid(sessionId)
    if (session === undefined) throw new Error(`there is no session ${sessionId}`)
    await session.destroy()
  }

  /** Says once that a user signed out everywhere, without naming the sessions. */
  async signOutUser(userId: string): Promise<void> {
    await this.#logouts.signedOut(userId)
  }

  async stop(): Promise<void> {
    await this.#listener.close()
    await this.#logouts.close()
  }
}

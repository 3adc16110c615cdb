import type { RequestListener } from 'node:http'
import type { JSONWebKeySet, JWK } from 'jose'
import type Provider from 'oidc-provider'
import type { Context } from 'oidc-provider'
import { type InputRecord, inputRecord } from '../input-record.ts'
import { privateJwk } from '../signing-key-file.ts'
import { createOidcProvider } from './create-oidc-provider.ts'
import { Listener } from './listener.ts'

export interface ProviderOptions {
  /** Called with every registration and trigger; a login or logout goes on when it resolves. */
  readonly publish: (record: InputRecord) => Promise<void>
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
export async function startProvider({ publish }: ProviderOptions): Promise<IdentityProvider> {
  return new IdentityProvider(await Listener.open(), { keys: [providerKey()] }, publish)
}

/** Starts an issuer below each of the paths, on one port; their keys have one name, as where each tenant counts its own. */
export async function startIssuers(
  paths: readonly string[],
  { publish }: ProviderOptions,
): Promise<IdentityProvider[]> {
  const listener = await Listener.open()
  const providers = paths.map(
    (path) => new IdentityProvider(listener, { keys: [providerKey()] }, publish, path),
  )
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
 * A real OpenID provider. It sends no logout tokens: it publishes who is signed in where and which sessions ended,
 * and leaves the telling to whoever reads that.
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
  readonly #publish: ProviderOptions['publish']
  readonly #sessionsByUser = new Map<string, Set<string>>()

  /** `path`: where whoever shares the listener among several puts it. */
  constructor(
    listener: Listener,
    privateKeys: JSONWebKeySet,
    publish: ProviderOptions['publish'],
    path = '',
  ) {
    this.issuer = `${listener.url}${path}`
    this.privateKeys = privateKeys
    this.#listener = listener
    this.#publish = publish
    this.#provider = createOidcProvider(this.issuer, privateKeys)
    this.#provider.use((context, next) => this.#observe(context, next))
    this.handle = this.#provider.callback()
    listener.handle = this.handle
  }

  async register(client: ClientMetadata): Promise<void> {
    await this.#provider.Client.adapter.upsert(client.client_id, client)
  }

  /** The ids of the user's sessions that RPs were signed in from, oldest first. */
  sessionsOf(userId: string): string[] {
    return [...(this.#sessionsByUser.get(userId) ?? [])]
  }

  /** What an administrator does: the session ends here and now, and with it the logins at every RP. */
  async terminateSession(sessionId: string): Promise<void> {
    const userId = await this.#destroy(sessionId)
    await this.#announce('session-terminated', { sessionId, userId, reason: 'administrator' })
  }

  /** Ends all sessions of a user and says so once, without naming the sessions. */
  async signOutUser(userId: string): Promise<void> {
    for (const sessionId of this.sessionsOf(userId)) await this.#destroy(sessionId)
    await this.#announce('user-signed-out', { userId })
  }

  async stop(): Promise<void> {
    await this.#listener.close()
  }

  async #destroy(sessionId: string): Promise<string> {
    const session = await this.#provider.Session.findByUid(sessionId)
    if (session?.accountId === undefined) throw new Error(`there is no session ${sessionId}`)
    await session.destroy()
    this.#forget(session.accountId, sessionId)
    return session.accountId
  }

  /** Sees every request after the provider answered it, and before the answer leaves. */
  async #observe(context: Context, next: () => Promise<void>): Promise<void> {
    await next()
    const { oidc } = context
    if (oidc?.route === 'token' && context.status === 200) await this.#announceLogin(oidc)
    if (oidc?.route === 'end_session_confirm' && oidc.session?.destroyed === true) {
      const { uid: sessionId, accountId: userId } = oidc.session
      if (userId === undefined) return
      this.#forget(userId, sessionId)
      await this.#announce('session-terminated', { sessionId, userId, reason: 'signed out' })
    }
  }

  /** An RP is about to get an ID token: from here on it has a session that must be ended some day. */
  async #announceLogin({ client, entities }: NonNullable<Context['oidc']>): Promise<void> {
    const code = entities.AuthorizationCode
    if (code === undefined || client?.backchannelLogoutUri === undefined) return
    const { accountId: userId, sessionUid: sessionId, sid } = code
    const sessions = this.#sessionsByUser.get(userId) ?? new Set()
    this.#sessionsByUser.set(userId, sessions.add(sessionId))
    await this.#announce('backchannel-logout-registered', {
      sessionId,
      // Stable over repeated logins of one client in one session, so that they stay one registration.
      oidcSessionId: `${client.clientId}:${sid}`,
      clientId: client.clientId,
      userId,
      sub: userId,
      sid,
      backchannelLogoutUri: client.backchannelLogoutUri,
      sessionRequired: true,
      registeredAt: new Date().toISOString(),
    })
  }

  #forget(userId: string, sessionId: string): void {
    this.#sessionsByUser.get(userId)?.delete(sessionId)
  }

  async #announce(type: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    const time = new Date().toISOString()
    await this.#publish(inputRecord(type, { issuer: this.issuer, ...data }, { time }))
  }
}

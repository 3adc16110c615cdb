import { randomBytes } from 'node:crypto'
import express from 'express'
import expressOpenidConnect from 'express-openid-connect'
import { Listener } from './listener.ts'
import { LogoutStore } from './logout-store.ts'
import type { ClientMetadata, IdentityProvider } from './provider.ts'

export interface RelyingPartyOptions {
  readonly provider: Pick<IdentityProvider, 'issuer' | 'register'>
  readonly clientId: string
  /** What the page calls itself. */
  readonly name: string
  /** A free one when it is left out. */
  readonly port?: number
  /** Beside the usual parameters of its login requests. */
  readonly authorizationParams?: Readonly<Record<string, string>>
}

/** Starts an RP on loopback and registers it at the provider. */
export async function startRelyingParty(options: RelyingPartyOptions): Promise<RelyingParty> {
  const listener = await Listener.open(options.port)
  const relyingParty = new RelyingParty(listener, options)
  const client = clientMetadata(relyingParty)
  await options.provider.register(client)
  listener.handle = createApplication(relyingParty, client, options.authorizationParams)
  return relyingParty
}

/** A web application whose one page is for signed-in users, on `express-openid-connect`. */
export class RelyingParty {
  readonly clientId: string
  readonly name: string
  readonly url: string
  readonly issuer: string
  readonly #listener: Listener

  constructor(listener: Listener, { clientId, name, provider }: RelyingPartyOptions) {
    this.clientId = clientId
    this.name = name
    this.issuer = provider.issuer
    this.url = listener.url
    this.#listener = listener
  }

  get backchannelLogoutUri(): string {
    return `${this.url}/backchannel-logout`
  }

  /** An outage: connections are refused. What the application remembers survives, as with a store of its own. */
  async goDown(): Promise<void> {
    await this.#listener.close()
  }

  async comeBack(): Promise<void> {
    await this.#listener.open()
  }

  async stop(): Promise<void> {
    await this.#listener.close()
  }
}

function clientMetadata({ clientId, url, backchannelLogoutUri }: RelyingParty): ClientMetadata {
  return {
    client_id: clientId,
    client_secret: randomBytes(32).toString('hex'),
    redirect_uris: [`${url}/callback`],
    post_logout_redirect_uris: [url],
    backchannel_logout_uri: backchannelLogoutUri,
    backchannel_logout_session_required: true,
  }
}

function createApplication(
  { clientId, name, url, issuer }: RelyingParty,
  client: ClientMetadata,
  authorizationParams: RelyingPartyOptions['authorizationParams'],
) {
  const application = express()
  // The two casts: its types ask for a store with callbacks, which its code does not, and for another Express.
  application.use(
    expressOpenidConnect.auth({
      issuerBaseURL: issuer,
      baseURL: url,
      clientID: clientId,
      clientSecret: client.client_secret,
      secret: randomBytes(32).toString('hex'),
      authorizationParams: { response_type: 'code', scope: 'openid', ...authorizationParams },
      backchannelLogout: { store: new LogoutStore() as never },
      idpLogout: true,
      // Cookies know no ports: RPs on one address would overwrite each other's.
      session: { name: `session-${clientId}` },
      transactionCookie: { name: `login-${clientId}` },
    }) as never,
  )
  application.get('/', (request, response) => {
    response.send(`Hello ${request.oidc.user?.sub}, signed in at ${name}`)
  })
  return application
}

// These packages ship without types. What stands here is only as much of them as the tests use.

declare module 'express' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export type Request = IncomingMessage & { readonly oidc: { readonly user?: { readonly sub: string } } }
  export type Response = ServerResponse & { send(body: string): void }
  export type RequestHandler = (request: Request, response: Response, next: (error?: unknown) => void) => void

  export interface Application {
    (request: IncomingMessage, response: ServerResponse): void
    use(...handlers: RequestHandler[]): void
    get(path: string, ...handlers: RequestHandler[]): void
  }

  export default function express(): Application
}

declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Session {
    /** Stays the same for as long as the session lives; the id in the cookie does not. */
    readonly uid: string
    readonly accountId?: string
    readonly destroyed?: boolean
    destroy(): Promise<void>
  }

  export interface Client {
    readonly clientId: string
    readonly backchannelLogoutUri?: string
  }

  export interface AuthorizationCode {
    readonly accountId: string
    readonly sessionUid: string
    /** The `sid` of this client's ID token: each client has its own. */
    readonly sid: string
  }

  export interface Context {
    readonly status: number
    readonly oidc?: {
      readonly route?: string
      readonly client?: Client
      readonly session?: Session
      readonly entities: { readonly AuthorizationCode?: AuthorizationCode }
    }
  }

  export default class Provider {
    constructor(issuer: string, configuration: object)
    readonly Client: {
      readonly prototype: { backchannelLogout(sub: string, sid: string): Promise<void> }
      readonly adapter: { upsert(id: string, metadata: object): Promise<void> }
    }
    readonly Session: { findByUid(uid: string): Promise<Session | undefined> }
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): this
    callback(): (request: IncomingMessage, response: ServerResponse) => void
  }
}

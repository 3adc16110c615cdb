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
    destroy(): Promise<void>
  }

  export interface IdToken {
    scope: string
    set(claim: string, value: string): void
    issue(options: { readonly use: string }): Promise<string>
  }

  export interface Client {
    backchannelLogout(sub: string, sid: string): Promise<void>
  }

  export default class Provider {
    constructor(issuer: string, configuration: object)
    readonly issuer: string
    readonly Client: {
      readonly prototype: Client
      readonly adapter: { upsert(id: string, metadata: object): Promise<void> }
      find(id: string): Promise<Client>
    }
    readonly IdToken: {
      new (claims: object, of: { readonly ctx: object; readonly client: Client }): IdToken
      readonly prototype: IdToken
    }
    readonly Session: {
      new (payload: object): Session
      readonly prototype: Session
      findByUid(uid: string): Promise<Session | undefined>
    }
    on(event: 'session.saved' | 'session.destroyed', listener: (session: Session) => void): this
    callback(): (request: IncomingMessage, response: ServerResponse) => void
  }
}

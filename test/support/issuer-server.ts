import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** As much of an issuer as publishes its keys. */
export class IssuerServer implements AsyncDisposable {
  keys: readonly object[] = []
  /** The issuer that its metadata name; its own URL when missing. */
  named: string | undefined
  readonly #server = createServer((request, response) => {
    const documents: Record<string, object> = {
      '/.well-known/openid-configuration': { issuer: this.named ?? this.url, jwks_uri: `${this.url}/keys` },
      '/keys': { keys: this.keys },
    }
    const document = documents[request.url ?? '']
    response.writeHead(document === undefined ? 404 : 200).end(JSON.stringify(document ?? {}))
  })

  static async listen(): Promise<IssuerServer> {
    const issuer = new IssuerServer()
    issuer.#server.listen(0, '127.0.0.1')
    await once(issuer.#server, 'listening')
    return issuer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

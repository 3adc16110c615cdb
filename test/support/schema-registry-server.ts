import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import avsc from 'avsc'

interface Registered {
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly {
    readonly name: string
    readonly subject: string
    readonly version: number
  }[]
  readonly guid?: string
}

/** As much of a schema registry as answers a reader. */
export class SchemaRegistryServer implements AsyncDisposable {
  /** Answers everything instead, until it is `undefined`. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  /** Paths that were asked for. */
  readonly asked: string[] = []
  /** The header with which everybody must ask. */
  authorization: string | undefined
  readonly #documents = new Map<string, object>([['/schemas/types', ['AVRO', 'JSON', 'PROTOBUF']]])
  #ids = 0
  readonly #server = createServer((request, response) => {
    const path = request.url ?? ''
    this.asked.push(path)
    if (this.instead !== undefined) return this.instead(request, response)
    if (request.headers.authorization !== this.authorization)
      return response.writeHead(401).end('{"error_code":401,"message":"Unauthorized"}')
    const document = this.#documents.get(path)
    response
      .writeHead(document === undefined ? 404 : 200, {
        'content-type': 'application/vnd.schemaregistry.v1+json',
      })
      .end(JSON.stringify(document ?? { error_code: 40403, message: 'Schema not found' }))
  })

  static async listen(port = 0): Promise<SchemaRegistryServer> {
    const registry = new SchemaRegistryServer()
    await registry.listen(port)
    return registry
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Returns its id. */
  register(it: Registered | object): number {
    const registered: Registered = 'schema' in it ? (it as Registered) : { schema: JSON.stringify(it) }
    const id = ++this.#ids
    this.#documents.set(`/schemas/ids/${id}`, registered)
    this.#documents.set(`/subjects/subject-${id}/versions/1`, registered)
    if (registered.guid !== undefined) this.#documents.set(`/schemas/guids/${registered.guid}`, registered)
    return id
  }

  /** Answers as if the schema did not exist, until the function that it returns is called. */
  withhold(id: number): () => void {
    const path = `/schemas/ids/${id}`
    const document = this.#documents.get(path) as object
    this.#documents.delete(path)
    return () => void this.#documents.set(path, document)
  }

  /** The value of a record in Avro, framed, with a schema of its own for the members of that object. */
  encode(fields: Readonly<Record<string, unknown>>): Buffer {
    const typeOf = (value: unknown) => ['null', typeof value === 'number' ? 'long' : typeof value]
    const schema = {
      type: 'record',
      name: 'Event',
      fields: Object.entries(fields).map(([name, value]) => ({ name, type: typeOf(value) })),
    }
    return framed(this.register(schema), avsc.Type.forSchema(schema as avsc.Schema).toBuffer(fields))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

export function framed(id: number, payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(5)
  frame.writeUInt32BE(id, 1)
  return Buffer.concat([frame, payload])
}

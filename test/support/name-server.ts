import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/** `undefined`: it is asked and never answers. */
export type Answer =
  | { readonly addresses: readonly string[]; readonly ttl?: number }
  | 'NXDOMAIN'
  | 'SERVFAIL'
  | undefined

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' }
const CODES = { SERVFAIL: 2, NXDOMAIN: 3 } as const

/** A name server on a free UDP port of this machine, which answers as told. */
export class NameServer {
  /** What was asked, in order: `A rp.test`. */
  readonly asked: string[] = []
  readonly #socket: Socket

  static async listen(answer: (name: string, type: 'A' | 'AAAA') => Answer): Promise<NameServer> {
    const socket = createSocket('udp4')
    const server = new NameServer(socket)
    socket.on('message', (query, { address, port }) => {
      const { name, type, end } = questionOf(query)
      if (type === undefined) return
      server.asked.push(`${type} ${name}`)
      const reply = answer(name, type)
      if (reply !== undefined) socket.send(replyTo(query, end, type, reply), port, address)
    })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return server
  }

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** As `setServers` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  close(): void {
    this.#socket.close()
  }
}

/** RFC 1035 §4.1.2. */
function questionOf(query: Buffer) {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: TYPES[query.readUInt16BE(at + 1)], end: at + 5 }
}

function replyTo(query: Buffer, end: number, type: 'A' | 'AAAA', reply: Exclude<Answer, undefined>): Buffer {
  const head = Buffer.from(query.subarray(0, end))
  const records =
    typeof reply === 'string' ? [] : reply.addresses.filter((it) => isIPv6(it) === (type === 'AAAA'))
  head.writeUInt16BE(0x8180 | (typeof reply === 'string' ? CODES[reply] : 0), 2)
  head.writeUInt16BE(records.length, 6)
  head.writeUInt32BE(0, 8)
  const ttl = (typeof reply === 'string' ? undefined : reply.ttl) ?? 60
  return Buffer.concat([head, ...records.map((address) => recordOf(type, address, ttl))])
}

function recordOf(type: 'A' | 'AAAA', address: string, ttl: number): Buffer {
  const data = type === 'A' ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address)
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc00c, 0)
  record.writeUInt16BE(type === 'A' ? 1 : 28, 2)
  record.writeUInt16BE(1, 4)
  record.writeUInt32BE(ttl, 6)
  record.writeUInt16BE(data.length, 10)
  return Buffer.concat([record, data])
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('::')
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const [first, last] = [groups(head), tail === undefined ? [] : groups(tail)]
  const all = [...first, ...new Array(8 - first.length - last.length).fill(0), ...last]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]))
}

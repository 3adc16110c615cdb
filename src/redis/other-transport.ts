import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { serverName } from '../lib/server-name.ts'

const DEFAULT_PORT = 6_379
const PROBE_MS = 2_000

/**
 * Whether the server speaks TLS where the URL says that it does not, or the reverse: then either side waits for the other
 * until a time-out, which says nothing. `undefined` when nothing of that kind is seen. Sends no secret. Never throws.
 */
export async function otherTransport(url: string): Promise<string | undefined> {
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const to = { host, port: Number(port) || DEFAULT_PORT }
  if (protocol === 'rediss:') {
    const speaksPlain = await answers(connectTcp(to), 'connect', 'PING\r\n')
    return speaksPlain
      ? 'it answers without TLS on that port; use redis:// in REDIS_URL, or the TLS port of the server'
      : undefined
  }
  // Whoever it is: nothing is sent to it.
  const speaksTls = await answers(
    connectTls({ ...to, ...serverName(host), rejectUnauthorized: false }),
    'secureConnect',
  )
  return speaksTls ? 'it speaks TLS on that port; use rediss:// in REDIS_URL' : undefined
}

/** With a request: whether the answer is one of Redis. Without: whether the connection comes about. */
function answers(socket: Socket, connected: string, request?: string): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isSo: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(isSo)
    }
    const timer = setTimeout(() => end(false), PROBE_MS)
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.once(connected, () => (request === undefined ? end(true) : socket.write(request)))
    socket.once('data', (chunk: Buffer) => end(/^[+-][A-Z]/.test(chunk.toString('latin1'))))
  })
}

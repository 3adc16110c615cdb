import { once } from 'node:events'
import { connect } from 'node:net'

const CONNECT_TIMEOUT_MS = 5_000

/** Throws, naming the setting, unless something listens at one of the addresses, each `host:port`. */
export async function requireReachable(setting: string, addresses: readonly string[]): Promise<void> {
  const connections = addresses.map((address) => tryToConnect(address.trim()))
  await Promise.any(connections).catch((error: AggregateError) => {
    throw new Error(`nothing can be reached at the address in ${setting}: ${error.errors.join('; ')}`)
  })
}

async function tryToConnect(address: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`)
  // An address of IPv6 stands in brackets in a URL, and without them elsewhere.
  const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''))
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) })
  } finally {
    socket.destroy()
  }
}

import { findFreePorts } from '../stack/ports.ts'

/**
 * A port of 127.0.0.1 on which nothing listens, and on which no connection of another test can sit when a server is
 * started there later.
 */
export async function freePort(): Promise<number> {
  const [port] = (await findFreePorts(1)) as [number]
  return port
}

import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { ServerFault } from './supervised-process.ts'

/**
 * Below the range from which Linux (32768) and macOS (49152) choose the local port of outgoing connections: while a
 * server is down, to be started again on its port, no connection of a test can sit on that port.
 */
const FIRST_PORT = 20_000
const LAST_PORT = 32_000
const ATTEMPTS = 5
/** Kafka and Redis say the first, Docker either. */
const PORT_CLASH = /address already in use|port is already allocated/i

/** Ports of servers that are only about to bind them, or are down for a while, look free. */
const givenAway = new Set<number>()

/** Distinct ports of 127.0.0.1 on which nothing listens; none is given twice in the life of this process. */
export async function findFreePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(FIRST_PORT, LAST_PORT)
    if (givenAway.has(port) || !(await isFree(port))) continue
    givenAway.add(port)
    ports.push(port)
  }
  return ports
}

/** Another process can take a port between our look at it and the server's: then all is tried again with new ports. */
export async function retryOnPortClash<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start()
    } catch (error) {
      const clash = error instanceof ServerFault && PORT_CLASH.test(error.log)
      if (!clash || attempt === ATTEMPTS) throw error
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

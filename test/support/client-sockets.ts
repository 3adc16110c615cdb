import { readFile } from 'node:fs/promises'

/**
 * How many sockets any process of this machine holds that are connected, or still connecting, to a port of
 * 127.0.0.1. Read from the kernel, so that a socket which its program has forgotten counts as well.
 */
export async function clientSocketsTo(port: number): Promise<number> {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((row) => row.trim().split(/\s+/))
  // A socket that no process holds any more, such as one in TIME_WAIT, has no inode.
  return rows.filter((row) => row[2] === remote && row[9] !== '0').length
}

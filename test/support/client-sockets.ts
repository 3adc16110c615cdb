import { readFile } from 'node:fs/promises'

/**
 * How many sockets any process of this machine holds that are connected, or still connecting, to a port of a
 * loopback address. Read from the kernel, so that a socket which its program has forgotten counts as well.
 */
export async function clientSocketsTo(port: number, host = '127.0.0.1'): Promise<number> {
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0')
  // The kernel shows the address as a number of this machine, which is little-endian.
  const address = host.split('.').map((part) => hex(Number(part), 2))
  const remote = `${address.reverse().join('')}:${hex(port, 4)}`
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((row) => row.trim().split(/\s+/))
  // A socket that no process holds any more, such as one in TIME_WAIT, has no inode.
  return rows.filter((row) => row[2] === remote && row[9] !== '0').length
}

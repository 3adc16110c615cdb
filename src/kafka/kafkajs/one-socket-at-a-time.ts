import type { Socket } from 'node:net'

export interface Connection {
  socket?: Socket | undefined
  isConnected(): boolean
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
}

/**
 * Gives a connection one socket at a time: the next opens when the last is closed and has no listeners left. A kafkajs
 * connection outlives its sockets, and events of any socket act on the current one. So the late end of an old socket ends its
 * successor ("write after end"), two calls of `connect` leak a socket, and a `disconnect` that still waits for answers ends a
 * later connection.
 */
export function keepOneSocketAtATime(prototype: Connection): void {
  const { connect, disconnect } = prototype
  const connecting = new WeakMap<Connection, Promise<unknown>>()
  const disconnecting = new WeakMap<Connection, Promise<unknown>>()

  prototype.connect = function connectOnce() {
    const underway = connecting.get(this)
    if (underway !== undefined) return underway
    const connected = connectAnew(this).finally(() => connecting.delete(this))
    connecting.set(this, connected)
    return connected
  }

  prototype.disconnect = function disconnectOnce() {
    const underway = disconnecting.get(this)
    if (underway !== undefined) return underway
    const disconnected = disconnect.call(this).finally(() => disconnecting.delete(this))
    disconnecting.set(this, disconnected)
    return disconnected
  }

  async function connectAnew(connection: Connection): Promise<unknown> {
    while (disconnecting.has(connection)) await disconnecting.get(connection)
    if (!connection.isConnected()) giveUp(connection.socket)
    return connect.call(connection)
  }
}

function giveUp(socket: Socket | undefined): void {
  if (socket === undefined) return
  for (const event of ['connect', 'secureConnect', 'data', 'end', 'error', 'timeout'])
    socket.removeAllListeners(event)
  socket.on('error', () => undefined)
  // Without listeners it would not end by itself. All its requests have been answered or given up.
  socket.destroy()
}

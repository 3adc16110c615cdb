import type { Socket } from 'node:net'

export interface Connection {
  socket?: Socket | undefined
  isConnected(): boolean
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
}

/**
 * A kafkajs connection outlives its sockets, and the events of each of them act on whichever socket is the current one.
 * So the late end of a socket that was given up ends its successor ("write after end"), two calls of `connect` leave a
 * socket behind, and a `disconnect` that still waits for answers ends what was connected meanwhile. With this, a
 * connection has one socket at a time: the next begins when the last is over, and nobody listens to that any more.
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
  // Without its listeners it would not end by itself. All that was asked on it has been answered or given up.
  socket.destroy()
}

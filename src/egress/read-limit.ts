import type { Socket } from 'node:net'
import { RelayFault } from '../lib/errors.ts'

/** An ordinary answer fits into one chunk. */
const CHUNK_BYTES = 2_048

/**
 * Destroys a connection that returns more than twice `bytesMax` bytes for one request, and passes input to the parser in
 * chunks.
 *
 * Both protect other RPs, which wait while an answer is parsed. The parser skips endless interim answers, reason phrases,
 * chunk extensions and empty lines silently. When a head is too long, it creates an error for every further header of its
 * input: 64 KB of short ones block the process for a third of a second.
 *
 * undici reads sockets through `read`. The bytes written tell requests apart: they grow with each request and never during an
 * answer. They are checked once per `bytesMax` bytes, hence the factor of two.
 */
export function limitReading(socket: Socket, bytesMax: number): void {
  const { read } = socket
  let bytesWritten = 0
  let bytesRead = 0
  socket.read = (size?: number): Buffer | null => {
    if (size !== undefined) return read.call(socket, size)
    // Else the parser would still get the buffer of a dropped connection.
    if (socket.destroyed) return null
    const chunk: Buffer | null =
      socket.readableLength > CHUNK_BYTES ? read.call(socket, CHUNK_BYTES) : read.call(socket)
    if (chunk === null) return null
    bytesRead += chunk.length
    if (bytesRead <= bytesMax) return chunk
    if (socket.bytesWritten !== bytesWritten) {
      bytesWritten = socket.bytesWritten
      bytesRead = 0
      return chunk
    }
    socket.destroy(new RelayFault('LR_ANSWER_TOO_LONG', 'the answer is too long'))
    return null
  }
}

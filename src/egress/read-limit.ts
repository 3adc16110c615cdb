import type { Socket } from 'node:net'
import { RelayFault } from '../lib/errors.ts'

/** An ordinary answer fits into one. */
const SLICE_BYTES = 2_048

/**
 * Destroys a connection over which more than twice `bytesMax` bytes come in return for one request, and hands what
 * comes to the parser in slices.
 *
 * Both are for the other RPs, which wait while an answer is parsed. The parser passes over endless interim answers,
 * reason phrases, chunk extensions and empty lines without telling anybody, as fast as they come. And when a head is
 * too long, it makes an error of every further header in what it was given: 64 KB of short ones keep the process
 * busy for a third of a second.
 *
 * `read` is where undici takes the bytes from a socket. What was written tells requests apart: it grows with each
 * one, and never while an answer comes in. It is looked at once in `bytesMax` bytes, hence the twice.
 */
export function limitReading(socket: Socket, bytesMax: number): void {
  const { read } = socket
  let bytesWritten = 0
  let bytesRead = 0
  socket.read = (size?: number): Buffer | null => {
    if (size !== undefined) return read.call(socket, size)
    // Else what is left in the buffer of a connection that was given up would still be parsed.
    if (socket.destroyed) return null
    const slice: Buffer | null =
      socket.readableLength > SLICE_BYTES ? read.call(socket, SLICE_BYTES) : read.call(socket)
    if (slice === null) return null
    bytesRead += slice.length
    if (bytesRead <= bytesMax) return slice
    if (socket.bytesWritten !== bytesWritten) {
      bytesWritten = socket.bytesWritten
      bytesRead = 0
      return slice
    }
    socket.destroy(new RelayFault('LR_ANSWER_TOO_LONG', 'the answer is too long'))
    return null
  }
}

/* Run with few file descriptors: takes all that are left, then sends, and prints the codes of what came of it. */
import { openSync } from 'node:fs'
import { LoopbackSender } from './loopback-sender.ts'

const sender = new LoopbackSender(5_000)
const send = async (uri: string) => {
  const result = await sender.send(uri)
  return result.kind === 'unreachable' ? result.code : result.kind
}
const uris = ['http://127.0.0.1:9/', 'https://127.0.0.1:9/', 'http://localhost:9/', 'http://rp.test:9/']
// What is loaded with the first connection has descriptors of its own.
await send('http://127.0.0.1:9/')
try {
  for (;;) openSync('/dev/null', 'r')
} catch {
  const codes: string[] = []
  for (const uri of uris) codes.push(await send(uri))
  process.send?.(codes)
}
process.disconnect?.()

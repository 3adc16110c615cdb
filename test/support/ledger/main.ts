import { createInterface } from 'node:readline'
import { openControlPort } from './control.ts'
import type { LedgerOptions, LedgerReady } from './protocol.ts'
import { RelyingParties } from './relying-parties.ts'

// The first line of stdin holds the options. The pipe then stays open as a lifeline: it ends with the parent,
// however that dies, and so does this process. Ctrl-C reaches the whole process group; the parent decides then.
process.on('SIGINT', () => {})
const lines = createInterface({ input: process.stdin })
lines.once('line', async (line) => {
  const relyingParties = new RelyingParties(JSON.parse(line) as LedgerOptions)
  await relyingParties.listen()
  const ready: LedgerReady = {
    controlPort: await openControlPort(relyingParties),
    relyingParties: relyingParties.list(),
  }
  process.stdout.write(`${JSON.stringify(ready)}\n`)
})
lines.once('close', () => process.exit(0))

#!/usr/bin/env -S node --no-allocation-site-pretenuring --max-semi-space-size=8 --initial-old-space-size=56 --heap-growing-percent=70 --
/*
 * The command of the package: runs the sources in a clone, and what was built from them where it is installed. Plain
 * JavaScript that an old Node.js can read, so that it says what is missing instead of failing at some import.
 * The dashes at the end of the first line: Node.js takes an --env-file of the relay for its own without them.
 */
import { existsSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'

const NODE_MAJOR_MIN = 24

// Node.js opens its debugger at this signal, and with it the private keys. `--disable-sigusr1` does the same, but an old
// Node.js does not know it.
process.on('SIGUSR1', () => undefined)

if (Number(process.versions.node.split('.', 1)[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `logout-relay: error: needs Node.js ${NODE_MAJOR_MIN} or newer; this is ${process.version} (${process.execPath})\n`,
  )
  process.exit(2)
}
// Not among the options above: where V8 does not know it, Node.js refuses to start instead of saying that it is too old.
setFlagsFromString('--no-maglev')
const isClone = existsSync(new URL('main.ts', import.meta.url))
const place = new URL(isClone ? './' : '../dist/', import.meta.url)
if (process.argv.includes('serve')) await import(new URL('runtime/fewer-arenas.mjs', place).href)
await import(new URL('runtime/compile-cache.mjs', place).href)
await import(new URL(isClone ? 'main.ts' : 'main.js', place).href)

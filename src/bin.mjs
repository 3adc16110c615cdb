#!/usr/bin/env -S node --no-allocation-site-pretenuring --max-semi-space-size=8 --initial-old-space-size=56 --heap-growing-percent=70 --
/*
 * The command of the package: runs the sources in a clone, and what was built from them where it is installed. Plain
 * JavaScript that an old Node.js can read, so that it says what is missing instead of failing at some import.
 * The dashes at the end of the first line: Node.js takes an --env-file of the relay for its own without them.
 */
import { existsSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'

// Node.js opens its debugger at this signal, and with it the private keys. `--disable-sigusr1` does the same, but an old
// Node.js does not know it.
process.on('SIGUSR1', () => undefined)

const isClone = existsSync(new URL('main.ts', import.meta.url))
const place = new URL(isClone ? './' : '../dist/', import.meta.url)
await import(new URL('runtime/required-node.mjs', place).href)
// Not among the options above: where V8 does not know it, Node.js refuses to start instead of saying that it is too old.
setFlagsFromString('--no-maglev')
if (process.argv.includes('serve')) await import(new URL('runtime/fewer-arenas.mjs', place).href)
await import(new URL('runtime/compile-cache.mjs', place).href)
await import(new URL(isClone ? 'main.ts' : 'main.js', place).href)

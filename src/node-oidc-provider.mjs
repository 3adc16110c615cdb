/*
 * The entry `logout-relay/node-oidc-provider` of the package: the sources in a clone, and what was built from them where it
 * is installed, as `bin.mjs` does for the command. Without `await` at its top, so that a provider in CommonJS can require it.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const isClone = existsSync(new URL('node-oidc-provider/relay-logouts.ts', import.meta.url))
const path = isClone ? './node-oidc-provider/relay-logouts.ts' : '../dist/node-oidc-provider/relay-logouts.js'

export const { relayLogouts } = createRequire(import.meta.url)(path)

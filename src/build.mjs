/*
 * Makes `dist` for the package and the image: Node.js strips types from the sources of a project, but from nothing
 * that is installed. Everything that is no TypeScript is copied beside it. Types come only with the entry that others import.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const source = fileURLToPath(new URL('.', import.meta.url))
const target = fileURLToPath(new URL('../dist', import.meta.url))
const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))

rmSync(target, { recursive: true, force: true })
for (const project of ['tsconfig.build.json', 'node-oidc-provider/tsconfig.types.json']) {
  const { status } = spawnSync(process.execPath, [compiler, '-p', `${source}/${project}`], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
cpSync(source, target, {
  recursive: true,
  filter: (path) => !/\.ts$|\/tsconfig\.\w+\.json$|\/(build|bin|node-oidc-provider)\.mjs$/.test(path),
})

import { mkdirSync, writeFileSync } from 'node:fs'
import { contractFiles } from './contract.ts'

// `npm run docs`: after a change of what a record holds, its schema follows.
for (const [path, content] of Object.entries(contractFiles())) {
  const file = new URL(`../../${path}`, import.meta.url)
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, content)
}

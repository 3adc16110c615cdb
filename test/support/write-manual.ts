import { mkdirSync, writeFileSync } from 'node:fs'
import { manualFiles } from './manual.ts'

// `npm run docs`: after a change of a command or an option, its manual and the completions follow.
for (const [path, content] of Object.entries(await manualFiles())) {
  const file = new URL(`../../${path}`, import.meta.url)
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, content)
}

import { readFileSync, writeFileSync } from 'node:fs'
import { optionsTable, withTable } from './readme-table.ts'

// `npm run readme`: after a change of an option, its row in the README follows.
const file = new URL('../../README.md', import.meta.url)
writeFileSync(file, withTable(readFileSync(file, 'utf8'), optionsTable()))

import { writeFileSync } from 'node:fs'
import { optionsTable, withTable } from './options-table.ts'
import { textOf } from './pages.ts'

// `npm run docs`: after a change of an option, its row in the table follows.
const page = 'docs/configure.md'
writeFileSync(new URL(`../../${page}`, import.meta.url), withTable(textOf(page), optionsTable()))

import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)

/** Text of a file of the repository, by its path from the root. */
export function textOf(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** Paths from the root of the pages that say what the relay does. A sentence is held wherever among them it stands. */
export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...globSync('docs/**/*.md', { cwd: fileURLToPath(root) }).sort(),
]

/** The section below a heading, of whatever level, up to the next heading that is not below it. Throws when there is none. */
export function sectionOf(page: string, heading: string): string {
  const lines = textOf(page).split('\n')
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  if (start < 0) throw new Error(`${page} has no section ${heading}`)
  const level = (lines[start] as string).indexOf(' ')
  const rest = lines.slice(start + 1)
  const end = rest.findIndex((line) => /^#+ /.test(line) && line.indexOf(' ') <= level)
  return rest.slice(0, end < 0 ? undefined : end).join('\n')
}

/** What a link to a heading of the page may name behind its `#`. */
export function anchorsOf(page: string): Set<string> {
  const headings = textOf(page)
    .replaceAll(/^```.*?^```/gms, '')
    .matchAll(/^#+ (.+)$/gm)
  const slugOf = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
  return new Set([...headings].map(([, heading = '']) => slugOf(heading)))
}

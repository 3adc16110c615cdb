import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const STYLES = ['page.css', 'figures.css', 'tables.css']
const SCRIPTS = ['format.js', 'elements.js', 'chart.js', 'state.js', 'sections.js', 'live.js']

export interface Page {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The status page in one piece, from the files in `page/`. Its policy lets nothing run and nothing load but what
 * stands in it, by hash, and lets it ask nobody but this relay.
 */
export function readPage(): Page {
  const style = STYLES.map(read).join('\n')
  // The scripts are modules for whoever reads and checks them, and one script for the browser.
  const script = SCRIPTS.map((file) =>
    read(file)
      .replace(/^import [^']*'[^']*'\n/gm, '')
      .replace(/^export /gm, ''),
  ).join('\n')
  // Functions, since a text for replacement may hold patterns.
  const html = read('page.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`)
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${hash('sha256', script, 'base64')}'`,
    `style-src 'sha256-${hash('sha256', style, 'base64')}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]
  return {
    html,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'x-frame-options': 'DENY',
      'cross-origin-opener-policy': 'same-origin',
    },
  }
}

function read(file: string): string {
  return readFileSync(new URL(`page/${file}`, import.meta.url), 'utf8')
}

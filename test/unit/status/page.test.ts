import { hash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readPage } from '../../../src/status/page.ts'

const { headers, html } = readPage()

test('its policy names what stands in it, by hash', () => {
  const policy = headers['content-security-policy'] ?? ''
  for (const [tag, directive] of [
    ['style', 'style-src'],
    ['script', 'script-src'],
  ]) {
    const contents = [...html.matchAll(new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`, 'g'))].map(
      ([, text]) => text,
    )
    expect(contents).toHaveLength(1)
    expect(policy).toContain(`${directive} 'sha256-${hash('sha256', contents[0] ?? '', 'base64')}'`)
  }
})

test('every file of it is in it, and no module is asked for', () => {
  const files = readdirSync(new URL('../../../src/status/page/', import.meta.url))
  expect(files.filter((file) => /\.(js|css)$/.test(file))).toHaveLength(9)
  expect(html).not.toMatch(/^\s*(import|export) /m)
  expect(html).not.toMatch(/ (style|on\w+)="/)
})

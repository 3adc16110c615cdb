import { expect, test } from 'vitest'
import { shownRedisUrl, shownUri } from '../../../src/diagnosis/shown-uri.ts'

test.each([
  ['https://shop.example/logout', 'https://shop.example/logout'],
  ['https://shop.example:8443/logout?key=secret', 'https://shop.example:8443/logout?…'],
  ['https://me:secret@shop.example', 'https://shop.example/'],
  ['secret', '(not a URI)'],
])('%s is shown without what may be a secret', (uri, shown) => {
  expect(shownUri(uri)).toBe(shown)
})

test.each([
  ['redis://host', 'redis://host'],
  ['redis://relay:secret@host:6379/2', 'redis://relay:***@host:6379/2'],
  ['rediss://:secret@host', 'rediss://:***@host'],
  ['redis://relay@host', 'redis://relay@host'],
])('%s is shown without its password', (url, shown) => {
  expect(shownRedisUrl(url)).toBe(shown)
})

import { expect, test } from 'vitest'
import { checkSharedDatabase } from '../../../src/diagnosis/redis-content.ts'
import { redisFacts, troubles, unread } from './sample-facts.ts'

const found = (...value: string[]) => troubles(checkSharedDatabase(redisFacts({ foreignKeys: { value } })))

test('a database of its own is fine', () => {
  expect(found()).toEqual([])
})

test("other applications' keys are a hint that names their first parts only", () => {
  expect(found('sess:Zm9vYmFy', 'sess:c2VjcmV0', 'cache/page')).toEqual([
    {
      severity: 'hint',
      text: expect.stringContaining('(cache/…, sess:…)'),
      remedy: expect.stringContaining('its own database'),
    },
  ])
})

test('of a key without parts only the beginning is shown, and of many keys a few', () => {
  const [finding] = found('d41d8cd98f00b204e9800998ecf8427e', 'a:1', 'b:1', 'c:1')
  expect(finding?.text).toContain('(a:…, b:…, c:…, …)')
  const [alone] = found('d41d8cd98f00b204e9800998ecf8427e')
  expect(alone?.text).toContain('(d41d…)')
})

test('that keys cannot be listed is told by another check', () => {
  expect(troubles(checkSharedDatabase(redisFacts({ foreignKeys: unread })))).toEqual([])
})

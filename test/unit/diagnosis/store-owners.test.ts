import { expect, test } from 'vitest'
import { checkStoreOwners } from '../../../src/diagnosis/store-owners.ts'
import { redisFacts } from './sample-facts.ts'

const SLASH = 'https://login.example.com/'
const BARE = 'https://login.example.com'
const OTHER = 'https://other.example'

function found(others: readonly string[], hasOwn: boolean, wasEmpty = false, hasIssuersFile = false) {
  const value = { hasOwn, wasEmpty, others: new Map(others.map((it, i) => [it, i + 1])) }
  const expected = { hasIssuersFile, issuers: () => [SLASH] }
  const [one, ...more] = checkStoreOwners(redisFacts({ owners: { value } }), expected)
  expect(more).toEqual([])
  return one
}

test.each([
  { what: 'nothing of others', others: [], hasOwn: false, wasEmpty: true, is: 'ok' },
  { what: 'some of others', others: [OTHER], hasOwn: true, wasEmpty: false, is: 'hint' },
  {
    what: 'some under another spelling',
    others: [OTHER, BARE],
    hasOwn: true,
    wasEmpty: false,
    is: 'warning',
  },
  { what: 'others alone, from the start', others: [OTHER], hasOwn: false, wasEmpty: false, is: 'error' },
  { what: 'others alone, which came later', others: [OTHER], hasOwn: false, wasEmpty: true, is: 'warning' },
  { what: 'another spelling alone, at any time', others: [BARE], hasOwn: false, wasEmpty: true, is: 'error' },
])('$what: $is', ({ others, hasOwn, wasEmpty, is }) => {
  expect(found(others, hasOwn, wasEmpty)?.severity).toBe(is)
})

test('both spellings are named, and the byte in which they differ', () => {
  const { text = '', remedy } = found([OTHER, BARE], false) ?? {}
  expect(text).toContain(`${BARE} and 1 more, it serves ${SLASH} (byte 26: …mple.com»« and …mple.com»/«)`)
  expect(remedy).toContain(`set ISSUER to ${BARE}`)
  expect(found([BARE], false, false, true)?.remedy).toContain(`set the issuer in ISSUERS_FILE to ${BARE}`)
})

test('where keys cannot be listed nothing is claimed', () => {
  const facts = redisFacts({ owners: { unread: 'NOPERM' } })
  expect(checkStoreOwners(facts, { hasIssuersFile: false, issuers: () => [SLASH] })).toEqual([])
})

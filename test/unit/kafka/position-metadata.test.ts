import { expect, test } from 'vitest'
import { metadataText, readMetadata } from '../../../src/kafka/position-metadata.ts'

test('what a commit says beside the offset is read back', () => {
  for (const metadata of [
    {},
    { start: 0 },
    { start: 12, topicId: 'abc', recordMs: 1_700_000_000_000, epoch: 'e', pattern: 'a.*' },
  ]) {
    expect(readMetadata(metadataText(metadata))).toEqual(metadata)
  }
})

test('nothing is known of a commit that says something else', () => {
  const others = [
    null,
    undefined,
    '',
    'x',
    'null',
    '[]',
    '7',
    '{"start":-1,"topicId":7,"recordMs":"x","epoch":7,"pattern":7}',
    '{"start":1.5}',
  ]
  for (const text of others) expect(readMetadata(text)).toEqual({})
})

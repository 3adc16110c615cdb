import { expect, test } from 'vitest'
import type { GroupMember } from '../../../src/kafka/kafkajs/group-internals.ts'
import { OffsetCommits } from '../../../src/kafka/offset-commits.ts'

const partition = { topic: 't', partition: 0 }

/** A member whose coordinator answers each commit on the test's command. */
class SlowMember {
  readonly asked: { readonly offset: unknown; readonly answer: PromiseWithResolvers<void> }[] = []

  commitOffsets({ topics }: { topics: { partitions: { offset: string }[] }[] }): Promise<void> {
    const answer = Promise.withResolvers<void>()
    this.asked.push({ offset: Number(topics[0]?.partitions[0]?.offset), answer })
    return answer.promise
  }

  get offsets(): unknown[] {
    return this.asked.map(({ offset }) => offset)
  }
}

function site() {
  const state: { offset: number; epoch: string | undefined } = { offset: 5, epoch: undefined }
  const commits = new OffsetCommits({
    committable: () => [{ ...partition, offset: state.offset }],
    epoch: () => state.epoch,
    onRefused: () => undefined,
  })
  const begin = (position: number): SlowMember => {
    const member = new SlowMember()
    commits.begin(member as unknown as GroupMember, [{ ...partition, position }])
    return member
  }
  return { begin, commits, state }
}

test('one commit is in flight at a time: of two the older could arrive last, and rewind the group', async () => {
  const { begin, commits, state } = site()
  const member = begin(0)
  const first = commits.commit()
  state.offset = 7
  const joined = commits.commit()
  expect(member.offsets).toEqual([5])
  member.asked[0]?.answer.resolve()
  await Promise.all([first, joined])
  const next = commits.commit()
  expect(member.offsets).toEqual([5, 7])
  member.asked[1]?.answer.resolve()
  await next
})

test('the latest commit is one that began when it was asked for', async () => {
  const { begin, commits, state } = site()
  const member = begin(0)
  const first = commits.commit()
  state.offset = 7
  const latest = commits.commitLatest()
  member.asked[0]?.answer.resolve()
  await first
  await new Promise((resolve) => setImmediate(resolve))
  expect(member.offsets).toEqual([5, 7])
  member.asked[1]?.answer.resolve()
  await latest
})

test('what an earlier membership had under way is committed again: the group may have gone back meanwhile', async () => {
  const { begin, commits } = site()
  const earlier = begin(0)
  const underWay = commits.commit()
  commits.end()
  const member = begin(0)
  earlier.asked[0]?.answer.resolve()
  await underWay
  const again = commits.commit()
  expect(member.offsets).toEqual([5])
  member.asked[0]?.answer.resolve()
  await again
})

test('what has not moved is not committed, nor anything between two memberships', async () => {
  const { begin, commits } = site()
  const member = begin(5)
  await commits.commit()
  commits.end()
  await commits.commit()
  expect(member.offsets).toEqual([])
})

test('a position that has not moved is committed once more for a store that was proved anew', async () => {
  const { begin, commits, state } = site()
  const member = begin(5)
  await commits.commit()
  expect(member.offsets).toEqual([])
  state.epoch = 'anew'
  const committing = commits.commit()
  member.asked[0]?.answer.resolve()
  await committing
  await commits.commit()
  expect(member.offsets).toEqual([5])
})

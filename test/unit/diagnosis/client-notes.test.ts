import { expect, test } from 'vitest'
import { ClientNotes } from '../../../src/diagnosis/client-notes.ts'
import { manualClock } from '../manual-clock.ts'

const overridden = (to: string) => ({ kind: 'origin-overridden', from: 'https://rp.example', to }) as const
const typed = { kind: 'type-ignored', asked: 'at+jwt' } as const
const made = Array.from({ length: 60 }, (_, i) => `made-up-${i}`)

function notesFixture() {
  const clock = manualClock(1_800_000_000_000)
  const told: string[] = []
  const notes = new ClientNotes({ clock, onNew: ({ clientId }) => told.push(clientId) })
  const kept = (clientId: string) => notes.read().some((it) => it.clientId === clientId)
  return { clock, notes, told, kept }
}

test('notes of many made-up clients push out none of another kind', () => {
  const { notes, kept } = notesFixture()
  notes.add('real', overridden('https://evil.example'))
  for (const clientId of made) notes.add(clientId, typed)
  expect(kept('real')).toBe(true)
  expect(notes.read()).toHaveLength(50)
  expect(kept('made-up-59')).toBe(true)
})

test('what is noted again and again of a real client outlives what is noted once of made-up ones', () => {
  const { notes, kept, told } = notesFixture()
  notes.add('real', overridden('https://evil.example'))
  notes.add('real', overridden('https://evil.example'))
  for (const clientId of made) notes.add(clientId, overridden('https://other.example'))
  expect(kept('real')).toBe(true)
  expect(notes.read()).toHaveLength(50)
  expect(told.filter((it) => it === 'real')).toHaveLength(1)
})

test('a new note is seen also when all others have been noted more often', () => {
  const { notes, kept } = notesFixture()
  for (const clientId of made.slice(0, 50).flatMap((it) => [it, it])) notes.add(clientId, typed)
  notes.add('real', typed)
  expect(kept('real')).toBe(true)
})

test('of notes that were met equally often the one goes that was met longest ago', () => {
  const { notes, kept } = notesFixture()
  for (const clientId of made.slice(0, 50)) notes.add(clientId, typed)
  for (const clientId of made.slice(0, 50)) notes.add(clientId, typed)
  notes.add('made-up-0', { kind: 'type-ignored', asked: 'jwt' })
  notes.add('one', typed)
  notes.add('one', typed)
  expect([kept('made-up-0'), kept('made-up-1')]).toEqual([true, false])
})

import { type ClientChange, type ClientState, clientStates } from '../events/client.ts'

export interface StateChange {
  /** Milliseconds since the epoch. */
  readonly atMs: number
  readonly state: ClientState
}

/** The changes of a client's state, the earliest first. Without any it is active. */
export type ClientHistory = readonly StateChange[]

/** Of a client that is changed more often only the last pauses are known. */
export const HISTORY_MAX = 32

/** As it is stored: times and states in turn. What is not of that form is left out. */
export function readHistory(text: string): ClientHistory {
  const found = text.matchAll(/(\d+) ([a-z]+)/g)
  return Array.from(found, ([, time, state]) => ({ atMs: Number(time), state: state as ClientState }))
    .filter(({ state }) => clientStates.includes(state))
    .sort((a, b) => a.atMs - b.atMs)
}

export function writeHistory(history: ClientHistory): string {
  return history.map(({ atMs, state }) => `${atMs} ${state}`).join(' ')
}

/** Both, in whatever order they became known; of two changes at one time that of `later`. As `MERGED` in Redis. */
export function mergeHistories(first: ClientHistory, later: ClientHistory): ClientHistory {
  const byTime = new Map([...first, ...later].map((it) => [it.atMs, it]))
  const merged = [...byTime.values()].sort((a, b) => a.atMs - b.atMs)
  while (merged.length > HISTORY_MAX) {
    const repeated = merged.findIndex((it, i) => it.state === merged[i - 1]?.state)
    merged.splice(Math.max(repeated, 0), 1)
  }
  return merged
}

/** What a record says of the state; a removed client is as one that was never configured. */
export function stateIn(change: ClientChange): ClientState | undefined {
  return change.type === 'client-removed' ? 'active' : change.state
}

/** A time during which nothing was sent to the client and no deadline came nearer. Without an end it lasts. */
export interface Pause {
  readonly fromMs: number
  readonly toMs: number | undefined
}

/** How a client stands now. */
export interface CurrentState {
  readonly kind: ClientState
  readonly sinceMs: number
  readonly pauses: readonly Pause[]
}

/** `undefined` for a client that is active and never was paused. */
export function currentState(history: ClientHistory): CurrentState | undefined {
  const last = history.at(-1)
  if (last === undefined) return undefined
  const pauses: Pause[] = []
  for (const { atMs, state } of history) {
    const open = pauses.at(-1)
    const isPaused = open !== undefined && open.toMs === undefined
    if (state === 'paused' && !isPaused) pauses.push({ fromMs: atMs, toMs: undefined })
    else if (state !== 'paused' && isPaused) pauses[pauses.length - 1] = { ...open, toMs: atMs }
  }
  if (last.state === 'active' && pauses.length === 0) return undefined
  const since = history.findLastIndex(({ state }) => state !== last.state) + 1
  return { kind: last.state, sinceMs: history[since]?.atMs ?? last.atMs, pauses }
}

/**
 * The deadline of a delivery that was taken up `timeMs` before it, put off by the pauses since. Infinite while the client is
 * paused, unless the deadline had passed before. Milliseconds since the epoch.
 */
export function putOffDeadline(pauses: readonly Pause[], deadlineMs: number, timeMs: number): number {
  const takenUpAtMs = deadlineMs - timeMs
  let putOffMs = deadlineMs
  for (const { fromMs, toMs = Number.POSITIVE_INFINITY } of pauses) {
    if (fromMs >= putOffMs) break
    putOffMs += Math.max(toMs - Math.max(fromMs, takenUpAtMs), 0)
  }
  return putOffMs
}

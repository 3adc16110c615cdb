import type { InputRecord } from '../../support/input-record.ts'
import type { HistoryCategory } from './categories.ts'

/** A time as a record states it. `at`: milliseconds after the start of the batch, mostly negative. */
export type Stated =
  | { readonly kind: 'at'; readonly atMs: number }
  | { readonly kind: 'absent' }
  /** Nothing that anybody could take for the time of a login or a logout. */
  | { readonly kind: 'broken'; readonly value: string | number }

/** A registration with a `sid` of its own, by which the tokens and outcomes for it are told from all others. */
export interface Login {
  readonly kind: 'login'
  readonly name: string
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly userId: string
  readonly clientId: string
  readonly sid: string
  readonly sub: string
  readonly isSubOnly: boolean
  readonly stated: Stated
}

export interface Logout {
  readonly kind: 'logout'
  readonly name: string
  readonly type: 'session-terminated' | 'user-signed-out'
  /** Of the record: outcomes name it. */
  readonly id: string
  /** Without one the user signs out everywhere. */
  readonly sessionId?: string
  readonly userId: string
  readonly stated: Stated
}

export interface Noise {
  readonly kind: 'noise'
  readonly record: Pick<InputRecord, 'value' | 'headers'>
}

export interface Step {
  readonly what: Login | Logout | Noise
  /** What is in a later phase is written when everything before has come to its end. */
  readonly phase: number
  /** The second wave of a phase follows on the first after 200 ms, or after the fault of the batch. */
  readonly wave: 1 | 2
  /** By the key of the record unless given. */
  readonly partition?: number
  /** The record's own timestamp, after the start of the batch, or 1970; the moment of writing unless given. */
  readonly recordAtMs?: number | 'epoch'
}

/** What an RP does with its first requests; afterwards it answers 200. */
export type Answers = readonly ('hang' | 'slow' | number)[]

export interface Client {
  readonly clientId: string
  /** The last answer stays for ever. */
  readonly isForGood: boolean
  readonly answers: Answers
  /** Nobody listens until the mend of the phase. */
  readonly isRefusing: boolean
}

export interface History {
  readonly name: string
  readonly categories: readonly HistoryCategory[]
  readonly clients: readonly Client[]
  readonly steps: readonly Step[]
}

export const PHASES = 4
/** Everything that is alive is ended in it. */
export const LAST_PHASE = PHASES - 1

/** One line per step. */
export function inWords({ clients, steps }: History): string[] {
  const rps = clients
    .filter(({ answers, isRefusing }) => answers.length > 0 || isRefusing)
    .map(({ clientId, answers, isForGood, isRefusing }) => {
      const what = isRefusing ? 'refuses connections at first' : `answers ${answers.join(', ')}`
      return `${clientId} ${what}${isForGood ? ' always' : answers.length > 0 ? ', then 200' : ''}`
    })
  return [...rps, ...steps.map(describeStep)]
}

function describeStep({ what, phase, wave, partition, recordAtMs }: Step): string {
  const where = `phase ${phase}.${wave}${partition === undefined ? '' : ` partition ${partition}`}`
  const written = typeof recordAtMs === 'number' ? seconds(recordAtMs) : (recordAtMs ?? 'now')
  return `${where}: ${describe(what)}; record time ${written}`
}

function describe(what: Step['what']): string {
  switch (what.kind) {
    case 'login': {
      const { name, sessionId, oidcSessionId, clientId, userId, isSubOnly, stated } = what
      const claims = isSubOnly ? ', claims sub' : ''
      return `${name} ${userId} logs in at ${clientId}, session ${sessionId}, ${oidcSessionId}${claims}, dated ${describeStated(stated)}`
    }
    case 'logout': {
      const { name, type, sessionId, userId, stated } = what
      return `${name} ${type} of ${userId}, ${sessionId === undefined ? 'everywhere' : `session ${sessionId}`}, stated ${describeStated(stated)}`
    }
    case 'noise':
      return 'a record that means nothing'
    default:
      return what satisfies never
  }
}

function describeStated(stated: Stated): string {
  switch (stated.kind) {
    case 'at':
      return seconds(stated.atMs)
    case 'absent':
      return 'not at all'
    case 'broken':
      return JSON.stringify(stated.value)
    default:
      return stated satisfies never
  }
}

function seconds(ms: number): string {
  return `${ms < 0 ? '−' : '+'}${Math.abs(ms / 1_000)} s`
}

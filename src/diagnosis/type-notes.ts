import type { RecordPosition } from '../events/wire-record.ts'
import type { Clock } from '../lib/clock.ts'
import type { UnknownType, UnknownTypes } from './facts.ts'
import { nearestType } from './nearest-type.ts'

export interface TypeNotesOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly knownTypes: readonly string[]
  /** There is a type that was not known before. */
  readonly onNews: () => void
}

/** Long enough for whoever looks once a day. */
const KEPT_MS = 24 * 60 * 60_000
/** A shared topic may carry many, and whoever writes records may make them up. */
const TYPES_MAX = 20
/** Beyond the types that are kept, so many are compared with the known ones. */
const COMPARED_MAX = 1_000

interface Noted {
  readonly type: string
  readonly nearest: string | undefined
  count: number
  topic: string
  partition: number
  offset: number
  /** The number at the last reading that saw another one, and when that was. */
  seenCount: number
  seenAtMs: number
}

/** Keeps the types of records that nobody here reads until they are looked at. */
export class TypeNotes {
  readonly #options: TypeNotesOptions
  readonly #noted = new Map<string, Noted>()
  /** What was left out, and was not like a known type. */
  readonly #leftOut = new Set<string>()
  #further = 0

  constructor(options: TypeNotesOptions) {
    this.#options = options
  }

  note(type: string, { topic, partition, offset }: RecordPosition): void {
    const noted = this.#noted.get(type) ?? this.#begin(type)
    if (noted === undefined) return
    noted.count++
    noted.topic = topic
    noted.partition = partition
    noted.offset = offset
  }

  read(): UnknownTypes {
    const now = this.#options.clock.monotonic()
    for (const [type, noted] of this.#noted) {
      if (noted.count > noted.seenCount) {
        noted.seenCount = noted.count
        noted.seenAtMs = now
      } else if (now - noted.seenAtMs > KEPT_MS) this.#noted.delete(type)
    }
    const types = [...this.#noted.values()].map(
      ({ type, nearest, count, topic, partition, offset }): UnknownType => ({
        ...{ type, count, topic, partition, offset },
        ...(nearest !== undefined && { nearest }),
      }),
    )
    return { types, further: this.#further }
  }

  /** `undefined` when there are too many; one that looks like a known type takes the place of one that does not. */
  #begin(type: string): Noted | undefined {
    const { clock, knownTypes, onNews } = this.#options
    const isFull = this.#noted.size >= TYPES_MAX
    if (isFull && (this.#leftOut.has(type) || this.#leftOut.size >= COMPARED_MAX)) {
      this.#further++
      return undefined
    }
    const nearest = nearestType(type, knownTypes)
    if (isFull) {
      const other = [...this.#noted.values()].find((it) => it.nearest === undefined)
      if (nearest === undefined || other === undefined) {
        this.#leftOut.add(type)
        this.#further++
        return undefined
      }
      this.#noted.delete(other.type)
    }
    const place = { topic: '', partition: 0, offset: 0 }
    const noted = { type, nearest, count: 0, ...place, seenCount: 0, seenAtMs: clock.monotonic() }
    this.#noted.set(type, noted)
    onNews()
    return noted
  }
}

import type { TriggerOrigin } from '../events/trigger.ts'

/** The trigger that ended a session or signed out a user: the first line of a tombstone, and the whole of a mark. */
export interface Mark {
  readonly origin: TriggerOrigin
  /** Registrations made until then are meant; milliseconds since the epoch. */
  readonly untilMs: number
}

export function writeMark({ id, topic, partition, offset }: TriggerOrigin, untilMs?: number): string {
  return JSON.stringify([id, topic, partition, offset, ...(untilMs === undefined ? [] : [untilMs])])
}

/** Reads the first line of a tombstone; an identity provider may have written another one, which tells nothing. */
export function readMark(line: string): Mark | undefined {
  // The usual case: there is none. A parser's error costs as much as everything else about a registration.
  if (line === '') return undefined
  try {
    const [id, topic, partition, offset, untilMs] = JSON.parse(line) as [
      string,
      string,
      number,
      number,
      number?,
    ]
    return typeof id === 'string'
      ? { origin: { id, topic, partition, offset }, untilMs: untilMs ?? 0 }
      : undefined
  } catch {
    return undefined
  }
}

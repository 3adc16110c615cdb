import { Option } from 'commander'
import { durationMs } from '../lib/duration-text.ts'
import { RelayFault } from '../lib/errors.ts'

/** With a zone always: a time without one would be read in the zone of whoever runs the command. */
const ISO_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$/i

/**
 * A moment as an operator writes it: an ISO 8601 date-time with its zone, or a duration back from now (`90s`, `15m`,
 * `2h`, `3d`). Milliseconds since the epoch. Throws `LR_USAGE`, which names the argument.
 */
export function parseTime(text: string, nowMs: number, argument = 'time'): number {
  const backMs = durationMs(text)
  if (backMs !== undefined && backMs <= nowMs) return nowMs - backMs
  const atMs = ISO_INSTANT.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(atMs)) return atMs
  throw new RelayFault(
    'LR_USAGE',
    `${argument}: "${text}" is not a time; give a duration before now such as 90s, 15m, 2h, 3d, or an ISO 8601 time with a time zone such as 2026-01-31T09:30:00Z`,
  )
}

/** A span of time such as `90s`, `15m`, `2h`, `3d`, `250ms`, in milliseconds. Throws `LR_USAGE`, which names the argument. */
export function parseDuration(text: string, argument = 'duration'): number {
  const ms = durationMs(text)
  if (ms !== undefined) return ms
  throw new RelayFault(
    'LR_USAGE',
    `${argument}: "${text}" is not a duration; give one such as 90s, 15m, 2h, 3d`,
  )
}

/** Another name of a command's option, whose attribute is `attribute`: of both the last one given counts. */
export function sameAs(flags: string, attribute: string): Option {
  const option = new Option(flags, `the same as --${attribute}`)
  option.attributeName = () => attribute
  return option
}

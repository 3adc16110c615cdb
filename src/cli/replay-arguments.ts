import { failureReasons } from '../events/outcome.ts'
import type { Trigger } from '../events/trigger.ts'
import { RelayFault } from '../lib/errors.ts'
import type { ReplayFilter } from '../recovery/replay-filter.ts'
import type { RequestedOffsets, RequestedRange } from '../recovery/replay-range.ts'
import { parseTime } from './time-argument.ts'

export interface ReplayArguments {
  readonly from?: string
  readonly to?: string
  readonly offsets?: readonly string[]
  readonly failed?: boolean
  readonly discarded?: boolean
  readonly type?: string
  readonly reason?: string
  readonly issuer?: string
  readonly session?: string
  readonly user?: string
  readonly client?: string
  readonly rate?: string
}

export const TRIGGER_TYPES: readonly string[] = [
  'session-terminated',
  'user-signed-out',
] satisfies Trigger['type'][]

/** The range that is meant, which must be said. Throws `LR_USAGE`. */
export function rangeOf(
  { from, to, offsets }: ReplayArguments,
  nowMs: number,
  { mayBeFuture = false } = {},
): RequestedRange {
  if (offsets !== undefined) {
    if (from !== undefined || to !== undefined)
      throw new RelayFault('LR_USAGE', '--offsets: give either offsets or times, not both')
    return { kind: 'offsets', ranges: offsets.map(offsetsOf) }
  }
  if (from === undefined) {
    throw new RelayFault(
      'LR_USAGE',
      'no range: give --from TIME (and --to TIME), or --offsets TOPIC:PARTITION:FIRST-LAST',
    )
  }
  const fromMs = parseTime(from, nowMs, '--from')
  if (fromMs > nowMs && !mayBeFuture) throw new RelayFault('LR_USAGE', `--from: ${from} is in the future`)
  if (to === undefined) return { kind: 'time', fromMs }
  const toMs = parseTime(to, nowMs, '--to')
  if (toMs <= fromMs) throw new RelayFault('LR_USAGE', `--to: ${to} is not after --from ${from}`)
  return { kind: 'time', fromMs, toMs }
}

/** `topic:partition:first-last`, both included, or `topic:partition:first-` up to the end. */
function offsetsOf(text: string): RequestedOffsets {
  const [, topic, partition, first, last] = /^([\w.-]+):(\d{1,9}):(\d{1,15})-(\d{1,15})?$/.exec(text) ?? []
  if (topic === undefined) {
    throw new RelayFault(
      'LR_USAGE',
      `--offsets: "${text}" is not a range of offsets; give one such as session-events:0:1200-1500, or session-events:0:1200- for all up to the end`,
    )
  }
  const from = Number(first)
  if (last !== undefined && Number(last) < from)
    throw new RelayFault('LR_USAGE', `--offsets: "${text}" ends before it begins`)
  const range = { topic, partition: Number(partition), from }
  return last === undefined ? range : { ...range, to: Number(last) + 1 }
}

/** Throws `LR_USAGE`. */
export function filterOf({
  failed,
  discarded,
  type,
  reason,
  issuer,
  session,
  user,
  client,
}: ReplayArguments): ReplayFilter {
  if (discarded === true && failed !== true)
    throw new RelayFault('LR_USAGE', '--discarded: requires --failed')
  if (type !== undefined && failed === true)
    throw new RelayFault(
      'LR_USAGE',
      '--type: cannot be used with --failed, because failed outcomes lack the type of their trigger',
    )
  if (failed === true && reason !== undefined && !(failureReasons as readonly string[]).includes(reason))
    throw new RelayFault('LR_USAGE', `--reason: must be one of ${failureReasons.join(', ')} with --failed`)
  return {
    ...(type !== undefined && { type: type as Trigger['type'] }),
    ...(reason !== undefined && { reason }),
    ...(issuer !== undefined && { issuer }),
    ...(session !== undefined && { session }),
    ...(user !== undefined && { user }),
    ...(client !== undefined && { client }),
  }
}

/** Deliveries per second. Throws `LR_USAGE`. */
export function rateOf(rate: string | undefined): number | undefined {
  if (rate === undefined) return undefined
  const perSecond = Number(rate)
  if (Number.isFinite(perSecond) && perSecond >= 0.1 && perSecond <= 100_000) return perSecond
  throw new RelayFault('LR_USAGE', `--rate: "${rate}" must be a number from 0.1 to 100000`)
}

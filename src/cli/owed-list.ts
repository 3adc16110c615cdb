import { logoutEndpoint } from '../events/logout-endpoint.ts'
import { timeText } from '../lib/time-text.ts'
import type { ReplayTally } from '../recovery/replay-tally.ts'
import type { Selected } from '../recovery/selection.ts'
import type { Column, Output } from './output.ts'

interface OwedRow {
  readonly [field: string]: unknown
  readonly client: string
  readonly session: string
  readonly oidcSession: string
  readonly user: string
  readonly to: string
  readonly trigger: string
  readonly occurredAt: string
  readonly reason: string
  readonly deadline: string
}

/** More would not be read, and must be held until the widths of the columns are known. */
const TABLE_ROWS_MAX = 1_000

const columns: readonly Column<OwedRow>[] = [
  { title: 'CLIENT', cell: ({ client }) => client },
  { title: 'SESSION', cell: ({ session }) => session, isProse: true },
  { title: 'USER', cell: ({ user }) => user },
  { title: 'HOST', cell: ({ to }) => to, isProse: true },
  { title: 'TRIGGER', cell: ({ trigger }) => trigger, isProse: true },
  { title: 'REASON', cell: ({ reason }) => reason },
  { title: 'ENDED AT', cell: ({ occurredAt }) => occurredAt, isWhole: true, isProse: true },
  { title: 'DEADLINE', cell: ({ deadline }) => deadline, isWhole: true },
]

/** What a dry run finds owed, each delivery once: lines of JSON as they come, or one table. */
export class OwedList {
  readonly #output: Output
  readonly #tally: ReplayTally
  readonly #deadlineOf: (selected: Selected) => number
  readonly #rows: OwedRow[] = []
  #count = 0

  constructor(output: Output, tally: ReplayTally, deadlineOf: (selected: Selected) => number) {
    this.#output = output
    this.#tally = tally
    this.#deadlineOf = deadlineOf
  }

  add(owed: readonly Selected[]): void {
    for (const selected of owed) {
      const { cause, registrations, broken, reason = '' } = selected
      const told = [...registrations, ...broken.map((it) => ({ ...it.partial, ...it }))]
      for (const it of told) {
        if (!this.#tally.add(it)) continue
        this.#count++
        const row = {
          client: it.clientId ?? '',
          session: it.sessionId,
          oidcSession: it.oidcSessionId,
          user: it.userId ?? '',
          to: originOf(it.backchannelLogoutUri),
          trigger: cause.origin.id,
          occurredAt: timeText(cause.occurredAtMs),
          reason,
          deadline: timeText(this.#deadlineOf(selected)),
        }
        if (this.#output.isJson) this.#output.json({ step: 'owed', ...row })
        else if (this.#rows.length < TABLE_ROWS_MAX) this.#rows.push(row)
      }
    }
  }

  end(): void {
    if (this.#output.isJson) return
    this.#output.rows(columns, this.#rows, 'nothing is owed')
    const more = this.#count - this.#rows.length
    if (more > 0) this.#output.note(`… and ${more} more; --json lists them all`)
  }
}

/** Without path and query, which may hold secrets. */
function originOf(uri: string | undefined): string {
  if (uri === undefined) return '(of the client)'
  try {
    return logoutEndpoint(uri).origin
  } catch {
    return ''
  }
}

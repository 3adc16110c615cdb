import { logoutEndpoint } from '../events/logout-endpoint.ts'
import { timeText } from '../lib/time-text.ts'
import type { ReplayTally } from '../recovery/replay-tally.ts'
import type { Selected } from '../recovery/selection.ts'
import type { Output } from './output.ts'

interface OwedRow {
  readonly [field: string]: unknown
  readonly client: string
  readonly session: string
  readonly oidcSession: string
  readonly user: string
  readonly to: string
  readonly trigger: string
  readonly occurredAt: string
}

/** More would not be read, and must be held until the widths of the columns are known. */
const TABLE_ROWS_MAX = 1_000

/** What a dry run finds owed, each delivery once: lines of JSON as they come, or one table. */
export class OwedList {
  readonly #output: Output
  readonly #tally: ReplayTally
  readonly #rows: OwedRow[] = []
  #count = 0

  constructor(output: Output, tally: ReplayTally) {
    this.#output = output
    this.#tally = tally
  }

  add(owed: readonly Selected[]): void {
    for (const { cause, registrations, broken } of owed) {
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
        }
        if (this.#output.isJson) this.#output.json({ step: 'owed', ...row })
        else if (this.#rows.length < TABLE_ROWS_MAX) this.#rows.push(row)
      }
    }
  }

  end(): void {
    if (this.#output.isJson) return
    const columns = (['client', 'session', 'user', 'to', 'trigger', 'occurredAt'] as const).map((title) => ({
      title,
      cell: (row: OwedRow) => row[title],
    }))
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

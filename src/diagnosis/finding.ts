import type { CheckName } from './check-names.ts'
import type { Fact } from './facts.ts'

/**
 * `error`: going on would lose something or get nowhere, so the relay is not ready until it is mended. `warning`: it
 * goes on, and something that is named may be lost or may stand still. `hint`: worth knowing.
 */
export type Severity = 'error' | 'warning' | 'hint'

/** Something about the surroundings of the relay that its operator should know. */
export interface Finding {
  /** Which check found it; stable. */
  readonly check: CheckName
  /** What it was found at where a check looks at several things, such as a topic. */
  readonly about?: string
  readonly severity: Severity
  /** What is the case and what follows from it. */
  readonly message: string
  /** The message without the keys that it quotes, for whoever may not see the id of a session; else not set. */
  readonly summary?: string
  /** What to do about it. */
  readonly mend: string
}

/** For a fact that could not be read: permissions may be missing, and that alone must not stop a relay. */
export function unreadHint(
  check: CheckName,
  { unread }: Extract<Fact<unknown>, { unread: string }>,
  texts: { readonly what: string; readonly mend: string; readonly about?: string },
): Finding {
  const { what, mend, about } = texts
  const message = `${what} could not be read: ${unread}`
  return { check, severity: 'hint', message, mend, ...(about !== undefined && { about }) }
}

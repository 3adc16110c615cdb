import { textOf } from '../diagnosis/finding.ts'
import { printable } from '../lib/printable.ts'
import { isWanted } from './failure-remedies.ts'
import type { HeadlineFacts, Troubled } from './headline.ts'
import type { RelyingPartyRow } from './relying-party-rows.ts'
import type { StatusSnapshot } from './status-snapshot.ts'

const NAME_MAX = 40

/** What the headline depends on, out of the rest of a snapshot. */
export function headlineFacts(snapshot: Omit<StatusSnapshot, 'headline'>, lag: number): HeadlineFacts {
  const { atMs, backlog, failures, findings, mode, relyingParties, throughput } = snapshot
  const { outcomes, read, windowMs } = throughput
  const parts = new Set(snapshot.notReady.map(({ part }) => part))
  const errors = findings
    .filter(({ severity }) => severity === 'error')
    .map((it) => ({ ...it, text: textOf(it) }))
  const recently = (isCounted: (outcome: string, reason: string) => boolean) =>
    sum(outcomes.filter((it) => isCounted(it.outcome, it.reason)).map((it) => it.recently))
  const ever = (outcome: string) => sum(outcomes.filter((it) => it.outcome === outcome).map((it) => it.total))
  const failing = failures
    .filter((it) => it.kind === 'delivery' && !it.isWanted && atMs - it.atMs <= windowMs)
    .sort((a, b) => Number(a.isOver) - Number(b.isOver) || b.count - a.count)
  return {
    nowMs: atMs,
    mode,
    notReady: snapshot.notReady.map(({ part, reason }) => ({
      part,
      // Without the remedy, which stands below.
      reason: errors.find(({ check }) => check === part)?.text ?? reason,
    })),
    errors: errors.filter(({ check }) => !parts.has(check)).map(({ text }) => text),
    windowMs,
    sent: recently((outcome) => outcome === 'sent'),
    failed: recently((outcome, reason) => outcome === 'failed' && !isWanted(reason)),
    sentEver: ever('sent'),
    failedEver: ever('failed'),
    wouldSend: recently((outcome, reason) => outcome === 'shadowed' && reason === ''),
    wouldNot: recently((outcome, reason) => outcome === 'shadowed' && reason !== ''),
    failing: [...new Set(failing.map((it) => nameOf(it.what, it.issuer)))],
    isFailingOver: failing.length > 0 && failing.every(({ isOver }) => isOver),
    troubled: relyingParties.troubled.map(troubledOf),
    troubledTotal: relyingParties.troubledTotal,
    parked: backlog.isOld ? undefined : backlog.parked,
    paused: {
      parked: relyingParties.paused.parked,
      names: relyingParties.paused.rps.map(({ clientId, issuer }) => nameOf(clientId, issuer)),
      total: relyingParties.paused.total,
    },
    withheld: {
      parked: relyingParties.withheld.parked,
      issuers: relyingParties.withheld.issuers.map(({ issuer, why }) => ({ issuer: shown(issuer), why })),
      total: relyingParties.withheld.total,
    },
    ...(relyingParties.late !== undefined && { late: troubledOf(relyingParties.late) }),
    lag,
    triggers: read.triggers,
    ofUnknownIssuer: read.ofUnknownIssuer,
  }
}

function troubledOf({ clientId, deadlineMs, issuer, problem }: RelyingPartyRow): Troubled {
  return {
    name: nameOf(clientId, issuer),
    ...(problem !== undefined && { error: problem.error }),
    ...(deadlineMs !== undefined && { deadlineMs }),
  }
}

/** Client ids come from outside, and are as long as somebody wanted. */
function nameOf(clientId: string, issuer?: string): string {
  if (issuer === undefined) return shown(clientId)
  // Several stand in one line, and next to all of them begin so.
  return `${shown(clientId)} of ${shown(issuer.replace(/^https:\/\//, ''))}`
}

function shown(text: string): string {
  return printable(text.length > NAME_MAX ? `${text.slice(0, NAME_MAX - 1)}…` : text)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

import { element, fillNotes, setClass, show, text } from './elements.js'
import { count, deadline, name, plural, seconds } from './format.js'

const TONES = { error: 'bad', warning: 'warn', hint: '' }
const MARKS = { good: '✓', warn: '!', bad: '✕', quiet: '–' }

/** What it is about stands before the text, unless that says it. */
function noteOf({ about = '', check, severity, text, remedy }) {
  const full = about === '' || text.includes(about) ? text : `${about}: ${text}`
  return { tone: TONES[severity], label: severity, name: check, text: full, remedy }
}

function noteOfRp(row, atMs) {
  const { issuer = '', parked, symptom, remedy } = row
  const owed = parked > 0 ? `; ${count(parked)} parked` : ''
  const end = row.deadlineMs === undefined ? '' : `, the oldest is given up ${deadline(row.deadlineMs, atMs)}`
  return {
    tone: 'warn',
    label: 'RP',
    name: issuer,
    text: `${name(row.clientId)} ${symptom}${owed}${end}`,
    remedy,
  }
}

/** What needs attention, the worst first. A check that makes the relay not ready is among the reasons for that. */
function notesOf({ notReady, relyingParties, findings, failedBy, throughput, atMs }) {
  const { troubled, troubledTotal, withheld } = relyingParties
  const parts = notReady.map(({ part }) => part)
  const isLeft = ({ check, severity }) => severity === 'error' && !parts.includes(check)
  const further = troubledTotal - troubled.length
  const window = seconds(Math.max(throughput.windowMs, 1_000))
  return [
    ...notReady.map(({ part, reason }) => ({ tone: 'bad', label: part, text: reason })),
    ...findings.filter(isLeft).map(noteOf),
    ...troubled.map((row) => noteOfRp(row, atMs)),
    ...(further > 0
      ? [
          {
            tone: 'warn',
            label: 'RPs',
            text: `${plural(further, 'more RP takes', 'more RPs take')} no logouts`,
          },
        ]
      : []),
    ...withheld.issuers.map(({ why, text, remedy }) => ({
      tone: 'warn',
      label: 'issuer',
      name: why,
      text,
      remedy,
    })),
    ...failedBy
      .filter(({ recently }) => recently > 0)
      .map(({ reason, recently, remedy }) => ({
        tone: 'bad',
        label: reason,
        text: `${plural(recently, 'delivery', 'deliveries')} failed in ${window}`,
        remedy,
      })),
    ...findings.filter(({ severity }) => severity === 'warning').map(noteOf),
  ]
}

export function showState(status) {
  const { headline, mode, rebuild, version, issuer, uptimeMs } = status
  const { kind, tone, title } = headline
  const notes = notesOf(status)
  setClass(element('state-mark'), `mark ${tone === 'quiet' ? 'neutral' : tone}`)
  text('state-mark', MARKS[tone])
  text('state-title', title)
  text('state-text', headline.text)
  fillNotes('reasons', notes)
  // Its figures change with every look; it is read out when it is another one.
  const said = element('state-said')
  if (said.dataset.kind !== kind) {
    said.dataset.kind = kind
    text('state-said', `${title}. ${headline.text}`)
  }
  show('mode', mode === 'shadow')
  const isRebuilding = rebuild !== undefined && rebuild.phase !== 'done' && rebuild.recordsTotal > 0
  show('rebuild', isRebuilding)
  if (isRebuilding) {
    const { phase, records, recordsTotal } = rebuild
    text(
      'rebuild-text',
      `Rebuilding the registry: ${phase}, ${count(records)} of ${count(recordsTotal)} records`,
    )
    element('rebuild-bar').max = recordsTotal
    element('rebuild-bar').value = records
  }
  text('about', `${version} · ${issuer} · up ${seconds(uptimeMs)}`)
  document.title =
    kind === 'not-ready' ? 'Not ready: logout-relay' : tone === 'bad' ? '(!) logout-relay' : 'logout-relay'
}

export function showHints({ findings }) {
  const hints = findings.filter(({ severity }) => severity === 'hint').map(noteOf)
  show('hints-card', hints.length > 0)
  fillNotes('hints', hints)
}

import { drawThroughput } from './chart.js'
import { element, fillFigures, fillNotes, fillTable, setClass, show, text } from './elements.js'
import { ago, count, duration, exact, plural, rate, seconds } from './format.js'

const TONES = { error: 'bad', warning: 'warn', hint: '' }

function sum(rows, amountOf) {
  return rows.reduce((total, row) => total + amountOf(row), 0)
}

/** Checks that found an error make the relay not ready, and are among the reasons for that. */
function noteOf({ check, severity, text, remedy }) {
  return { tone: TONES[severity], label: severity, name: check, text, remedy }
}

function showState({ notReady, relyingParties, findings, rebuild, version, issuer, uptimeMs }) {
  const isReady = notReady.length === 0
  const isStopping = notReady.some(({ part }) => part === 'service')
  const { silent } = relyingParties
  const notes = [
    ...notReady.map(({ part, reason }) => ({ tone: 'bad', label: part, text: reason })),
    ...findings.filter(({ severity }) => severity === 'warning').map(noteOf),
  ]
  if (silent > 0) {
    notes.push({
      tone: 'warn',
      label: 'RPs',
      text: `${plural(silent, 'RP does', 'RPs do')} not answer: ${silent === 1 ? 'its' : 'their'} deliveries are parked`,
      remedy: 'check these RPs; their logouts are sent when they answer again before the deadline',
    })
  }
  const tone = isReady ? (notes.length > 0 ? 'warn' : 'good') : 'bad'
  setClass(element('state-mark'), `mark ${tone}`)
  text('state-mark', { good: '✓', warn: '!', bad: '✕' }[tone])
  text('state-title', isReady ? 'Ready' : isStopping ? 'Stopping' : 'Not ready')
  text(
    'state-text',
    isStopping
      ? 'Attempts in flight end or are parked. Another replica continues.'
      : !isReady
        ? 'Logouts wait until this is fixed. No accepted logout is lost.'
        : notes.length > 0
          ? `Logouts are delivered. ${plural(notes.length, 'thing needs', 'things need')} attention.`
          : 'Logouts are delivered, and nothing needs attention.',
  )
  fillNotes('reasons', notes)
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
  document.title = isReady ? 'logout-relay' : 'Not ready: logout-relay'
}

function showHints({ findings }) {
  const hints = findings.filter(({ severity }) => severity === 'hint').map(noteOf)
  show('hints-card', hints.length > 0)
  fillNotes('hints', hints)
}

function backlogAge({ backlog, atMs }) {
  if (backlog.readAtMs === undefined) return 'unknown: Redis does not answer'
  return `as of ${ago(atMs - backlog.readAtMs)}: Redis does not answer`
}

function showFigures(status) {
  const { throughput, load, backlog, partitions, relyingParties } = status
  const isLagKnown = partitions.some(({ lag }) => lag !== undefined)
  const { triggerToSent, outcomes, windowMs } = throughput
  const failed = sum(outcomes, ({ outcome, recently }) => (outcome === 'failed' ? recently : 0))
  const lag = sum(partitions, (row) => row.lag ?? 0)
  const recently = `in ${seconds(Math.max(windowMs, 1_000))}`
  const isParkedUnknown = backlog.readAtMs === undefined
  fillFigures('figures', [
    { name: 'Sent per second', value: rate(throughput.sentPerSecond), note: 'over the last 10 s' },
    { name: 'Failed', value: count(failed), note: recently, tone: failed > 0 ? 'bad' : '' },
    {
      name: 'Trigger to sent',
      value: triggerToSent === undefined ? '–' : duration(triggerToSent.p50Ms),
      note:
        triggerToSent === undefined
          ? `nothing sent ${recently}`
          : `median; p99 ${duration(triggerToSent.p99Ms)}`,
    },
    {
      name: 'In flight',
      value: count(load.inFlight),
      note: `of ${count(load.inFlightMax)}; ${count(load.waiting)} waiting`,
    },
    {
      name: 'Unsettled',
      value: count(load.unsettled),
      note: `of ${count(load.unsettledMax)}; ${plural(load.outcomesPending, 'outcome')} pending`,
    },
    {
      name: 'Parked',
      value: isParkedUnknown ? '–' : count(backlog.parked) + (backlog.isCut ? '+' : ''),
      note: backlog.isOld
        ? backlogAge(status)
        : `for ${plural(backlog.rps, 'RP')}${backlog.isCut ? ' due first' : ''}`,
      tone: backlog.isOld ? 'warn' : '',
    },
    {
      name: 'Not answering',
      value: count(relyingParties.silent),
      note: relyingParties.silent === 1 ? 'RP with an open breaker' : 'RPs with an open breaker',
      tone: relyingParties.silent > 0 ? 'warn' : '',
    },
    {
      name: 'Lag',
      value: isLagKnown ? count(lag) : '–',
      note: isLagKnown
        ? `records; ${plural(partitions.length, 'partition')}`
        : partitions.length === 0
          ? 'no partition here'
          : 'nothing read yet',
    },
  ])
}

function breakerCell({ breaker, openUntilMs }, atMs) {
  if (breaker === 'closed') return { main: 'closed', tone: 'good' }
  if (breaker === 'probing') return { main: 'probing', tone: 'warn', small: 'one attempt' }
  const small = openUntilMs <= atMs ? 'probe is due' : `probe in ${duration(openUntilMs - atMs)}`
  return { main: 'open', tone: 'bad', small }
}

function showRelyingParties(status) {
  const { relyingParties, atMs, backlog } = status
  const { rows, total } = relyingParties
  const cut =
    total > rows.length
      ? `${count(rows.length)} of ${count(total)}, largest backlog first`
      : rows.length > 0
        ? 'with deliveries in flight or parked'
        : ''
  text('rps-note', backlog.isOld ? `parked: ${backlogAge(status)}` : cut)
  fillTable('rps', {
    caption: 'Relying parties with deliveries in flight or parked, or with an open breaker',
    rows,
    none: backlog.isOld ? 'The backlog is unknown.' : 'Every RP answers, and nothing is parked.',
    columns: [
      { title: 'Client', cell: ({ clientId, problem }) => ({ main: clientId, small: problem?.host }) },
      { title: 'Breaker', kind: 'time', cell: (row) => breakerCell(row, atMs) },
      {
        title: 'In flight',
        kind: 'number',
        cell: ({ inFlight, waiting }) => ({
          main: count(inFlight),
          small: waiting > 0 ? `${count(waiting)} waiting` : '',
        }),
      },
      { title: 'Parked', kind: 'number', cell: ({ parked }) => ({ main: count(parked) }) },
      {
        title: 'Next due',
        kind: 'number',
        cell: ({ nextDueMs }) => ({
          main:
            nextDueMs === undefined ? '–' : nextDueMs <= atMs ? 'now' : `in ${duration(nextDueMs - atMs)}`,
        }),
      },
      {
        title: 'Last problem',
        cell: ({ problem }) => ({
          main: problem?.error ?? '–',
          small: problem === undefined ? '' : ago(atMs - problem.atMs),
        }),
      },
    ],
  })
}

const KINDS = { delivery: 'Delivery failed', 'dead-letter': 'Dead letter', fault: 'Fault' }

function showFailures({ failures, atMs }) {
  fillTable('failures', {
    caption: 'Recent failures, latest first',
    rows: failures,
    none: 'None so far.',
    columns: [
      { title: 'Where', cell: ({ what, host }) => ({ main: what, small: host }) },
      { title: 'What', kind: 'time', cell: ({ kind }) => ({ main: KINDS[kind] }) },
      { title: 'Why', cell: ({ why }) => ({ main: why }) },
      { title: 'Times', kind: 'number', cell: (row) => ({ main: count(row.count) }) },
      { title: 'Last', kind: 'time', cell: (row) => ({ main: ago(atMs - row.atMs) }) },
    ],
  })
}

function showOutcomes({ throughput }) {
  const rows = throughput.outcomes.filter(({ total }) => total > 0)
  fillTable('outcomes', {
    caption: 'Deliveries that ended, by outcome and reason',
    rows,
    none: 'No delivery has ended since the start of this replica.',
    columns: [
      {
        title: 'Outcome',
        cell: ({ outcome, reason }) => ({ main: reason === '' ? outcome : `${outcome}: ${reason}` }),
      },
      { title: 'Last 5 min', kind: 'number', cell: ({ recently }) => ({ main: count(recently) }) },
      { title: 'Since start', kind: 'number', cell: ({ total }) => ({ main: count(total) }) },
    ],
  })
}

function showPartitions({ partitions }) {
  fillTable('partitions', {
    caption: 'Partitions of this replica, with the lag of each',
    rows: partitions,
    none: 'None: this replica is not in the consumer group yet, or the group has more members than partitions.',
    columns: [
      { title: 'Partition', cell: ({ topic, partition }) => ({ main: `${topic}/${partition}` }) },
      { title: 'Lag', kind: 'number', cell: ({ lag }) => ({ main: lag === undefined ? '–' : count(lag) }) },
      { title: 'Open records', kind: 'number', cell: ({ openRecords }) => ({ main: count(openRecords) }) },
      {
        title: 'Settled up to',
        kind: 'number',
        cell: ({ settledOffset }) => ({ main: settledOffset < 0 ? '–' : exact(settledOffset) }),
      },
    ],
  })
}

export function showStatus(status) {
  showState(status)
  showFigures(status)
  drawThroughput(status.throughput)
  showRelyingParties(status)
  showFailures(status)
  showOutcomes(status)
  showPartitions(status)
  showHints(status)
}

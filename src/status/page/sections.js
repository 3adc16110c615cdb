import { drawThroughput } from './chart.js'
import { fillChoice, fillFigures, fillTable, show, text } from './elements.js'
import { ago, count, duration, exact, plural, rate, seconds, until } from './format.js'
import { showHints, showState } from './state.js'

function sum(rows, amountOf) {
  return rows.reduce((total, row) => total + amountOf(row), 0)
}

function backlogAge({ backlog, atMs }) {
  if (backlog.readAtMs === undefined) return 'unknown: Redis does not answer'
  return `as of ${ago(atMs - backlog.readAtMs)}: Redis does not answer`
}

/** In shadow mode nothing is sent and nothing fails: each logout ends with what would have been. */
function shadowedFigures({ shadowedPerSecond, outcomes }, recently) {
  const of = (isMeant) =>
    sum(outcomes, (it) => (it.outcome === 'shadowed' && isMeant(it.reason) ? it.recently : 0))
  const not = of((reason) => reason !== '')
  return [
    { name: 'Shadowed per second', value: rate(shadowedPerSecond), note: 'over the last 10 s' },
    { name: 'Would be sent', value: count(of((reason) => reason === '')), note: recently },
    { name: 'Would not be sent', value: count(not), note: recently, tone: not > 0 ? 'bad' : '' },
  ]
}

/** What failed because an operator wanted it so calls for nobody. */
function sentFigures({ sentPerSecond, triggerToSent, outcomes }, recently, failedBy) {
  const failed = sum(failedBy, (it) => it.recently)
  const wanted = sum(outcomes, (it) => (it.outcome === 'failed' ? it.recently : 0)) - failed
  const note = wanted > 0 ? `${recently}; ${count(wanted)} more as wanted` : recently
  return [
    { name: 'Sent per second', value: rate(sentPerSecond), note: 'over the last 10 s' },
    { name: 'Failed', value: count(failed), note, tone: failed > 0 ? 'bad' : '' },
    {
      name: 'Trigger to sent',
      value: triggerToSent === undefined ? '–' : duration(triggerToSent.p50Ms),
      note:
        triggerToSent === undefined
          ? `nothing sent ${recently}`
          : `median; p99 ${duration(triggerToSent.p99Ms)}`,
    },
  ]
}

function showFigures(status) {
  const { throughput, load, backlog, failedBy, mode, partitions, partitionsTotal, relyingParties } = status
  const isLagKnown = partitions.some(({ lag }) => lag !== undefined)
  const lag = sum(partitions, (row) => row.lag ?? 0)
  const recently = `in ${seconds(Math.max(throughput.windowMs, 1_000))}`
  const isParkedUnknown = backlog.readAtMs === undefined
  fillFigures('figures', [
    ...(mode === 'shadow'
      ? shadowedFigures(throughput, recently)
      : sentFigures(throughput, recently, failedBy)),
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
        ? `records; ${plural(partitionsTotal, 'partition')}`
        : partitions.length === 0
          ? 'no partition here'
          : 'nothing read yet',
    },
  ])
}

function stateOfRp({ breaker, openUntilMs, state, withheld }, atMs) {
  if (withheld !== undefined) return { main: 'not sent', tone: 'warn', small: `issuer ${withheld}` }
  if (state !== undefined) return { main: state, tone: 'warn' }
  if (breaker === 'closed') return { main: 'active', tone: 'good' }
  if (breaker === 'probing') return { main: 'probing', tone: 'warn', small: 'one attempt' }
  const small = openUntilMs <= atMs ? 'probe is due' : `probe in ${duration(openUntilMs - atMs)}`
  return { main: 'breaker open', tone: 'bad', small }
}

/** Narrows what is listed to one issuer; only what is listed can be chosen. */
function chooseIssuer({ relyingParties, failures }) {
  const issuers = [...relyingParties.rows, ...failures].flatMap(({ issuer }) => issuer ?? [])
  const chosen = fillChoice('issuer', 'All issuers', [...new Set(issuers)].sort())
  show('issuer-choice', issuers.length > 0)
  return chosen === '' ? () => true : ({ issuer }) => issuer === chosen
}

function showRelyingParties(status, isChosen) {
  const { relyingParties, atMs, backlog } = status
  const { total } = relyingParties
  const rows = relyingParties.rows.filter(isChosen)
  const cut =
    total > relyingParties.rows.length
      ? `${count(rows.length)} of ${count(total)}, largest backlog first`
      : rows.length > 0
        ? 'with deliveries in flight or parked'
        : ''
  text('rps-note', backlog.isOld ? `parked: ${backlogAge(status)}` : cut)
  fillTable('rps', {
    caption: 'Relying parties with deliveries in flight or parked, or with an open breaker',
    rows,
    none: backlog.isOld ? 'The backlog is unknown.' : 'No RP is known not to answer, and nothing is parked.',
    columns: [
      {
        title: 'Client',
        cell: ({ clientId, issuer, problem }) => ({ main: clientId, small: beside(issuer, problem?.host) }),
      },
      { title: 'State', kind: 'time', cell: (row) => stateOfRp(row, atMs) },
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
          main: nextDueMs === undefined ? '–' : until(nextDueMs, atMs),
        }),
      },
      {
        title: 'Given up',
        kind: 'number',
        cell: ({ deadlineMs, state }) => ({
          main: deadlineMs === undefined ? '–' : until(deadlineMs, atMs),
          small: state === 'paused' ? 'stands still' : deadlineMs === undefined ? '' : 'the oldest seen',
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

/** Where there are several. */
function showIssuers({ relyingParties: { issuers = [], issuersTotal = 0 }, atMs }) {
  show('issuers-card', issuers.length > 0)
  text(
    'issuers-note',
    issuersTotal > issuers.length ? `the worst ${issuers.length} of ${count(issuersTotal)}` : '',
  )
  fillTable('issuers', {
    caption: 'Issuers whose relying parties are owed something, the most troubled first',
    rows: issuers,
    none: '',
    columns: [
      { title: 'Issuer', cell: ({ issuer }) => ({ main: issuer }) },
      {
        title: 'RPs that take nothing',
        kind: 'number',
        cell: ({ silent }) => ({ main: count(silent), ...(silent > 0 && { tone: 'warn' }) }),
      },
      { title: 'Parked', kind: 'number', cell: ({ parked }) => ({ main: count(parked) }) },
      { title: 'In flight', kind: 'number', cell: ({ busy }) => ({ main: count(busy) }) },
      {
        title: 'Given up',
        kind: 'number',
        cell: ({ deadlineMs }) => ({ main: deadlineMs === undefined ? '–' : until(deadlineMs, atMs) }),
      },
    ],
  })
}

/** Whichever of them there are. */
function beside(...texts) {
  return texts.filter((it) => it !== undefined).join(' · ')
}

const KINDS = { delivery: 'Delivery failed', 'dead-letter': 'Dead letter', fault: 'Fault' }

function stateCell({ kind, isOver, isWanted }) {
  if (isOver) return { main: 'over', tone: 'good' }
  return kind === 'dead-letter' || isWanted ? { main: '–' } : { main: 'not over', tone: 'bad' }
}

function showFailures({ failures, atMs }, isChosen) {
  fillTable('failures', {
    caption: 'Recent failures, latest first',
    rows: failures.filter(isChosen),
    none: 'None so far.',
    columns: [
      { title: 'Where', cell: ({ what, issuer, host }) => ({ main: what, small: beside(issuer, host) }) },
      { title: 'What', kind: 'time', cell: ({ kind }) => ({ main: KINDS[kind] }) },
      { title: 'Why', cell: ({ why, remedy }) => ({ main: why, small: remedy }) },
      { title: 'State', kind: 'time', cell: stateCell },
      { title: 'Times', kind: 'number', cell: (row) => ({ main: count(row.count) }) },
      { title: 'Last', kind: 'time', cell: (row) => ({ main: ago(atMs - row.atMs) }) },
    ],
  })
}

function showOutcomes({ throughput, failedBy }) {
  const rows = throughput.outcomes.filter(({ total }) => total > 0)
  const remedyOf = (reason) => failedBy.find((it) => it.reason === reason)?.remedy
  fillTable('outcomes', {
    caption: 'Deliveries that ended, by outcome and reason',
    rows,
    none: 'No delivery has ended since the start of this replica.',
    columns: [
      {
        title: 'Outcome',
        // What failed recently has its remedy above.
        cell: ({ outcome, reason, recently }) => ({
          main: reason === '' ? outcome : `${outcome}: ${reason}`,
          small: outcome === 'failed' && recently === 0 ? remedyOf(reason) : '',
        }),
      },
      { title: 'Last 5 min', kind: 'number', cell: ({ recently }) => ({ main: count(recently) }) },
      { title: 'Since start', kind: 'number', cell: ({ total }) => ({ main: count(total) }) },
    ],
  })
}

/** Those that have lag or are not known yet, and one line for the rest. */
function foldedPartitions({ partitions, partitionsTotal }) {
  const behind = partitions.filter(({ lag }) => lag !== 0)
  const level = partitionsTotal - behind.length
  if (level === 0) return behind
  const what = behind.length === partitions.length && behind.length > 0 ? 'not shown' : 'without lag'
  const openRecords = sum(partitions.slice(behind.length), (row) => row.openRecords)
  return [
    ...behind,
    { title: `${plural(level, 'partition')} ${what}`, lag: 0, openRecords, settledOffset: -1 },
  ]
}

function showPartitions(status) {
  fillTable('partitions', {
    caption: 'Partitions of this replica, with the lag of each',
    rows: foldedPartitions(status),
    none: 'None: this replica is not in the consumer group yet, or the group has more members than partitions.',
    columns: [
      {
        title: 'Partition',
        cell: ({ title, topic, partition }) => ({ main: title ?? `${topic}/${partition}` }),
      },
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
  drawThroughput(status)
  showIssuers(status)
  const isChosen = chooseIssuer(status)
  showRelyingParties(status, isChosen)
  showFailures(status, isChosen)
  showOutcomes(status)
  showPartitions(status)
  showHints(status)
}

import { goesOnDespite } from '../diagnosis/checkup.ts'
import { wordFor } from '../lib/counted.ts'
import { symptomOf } from './failure-remedies.ts'
import { capitalised, listed, number, sentences, span } from './headline-words.ts'
import { type IssuerObstacle, obstacleTexts } from './withheld.ts'

/** An RP that takes no logouts, as far as this replica knows. */
export interface Troubled {
  /** The client, with its issuer where there are several. */
  readonly name: string
  /** As `AttemptProblem` has it. */
  readonly error?: string
  /** The earliest deadline seen among its parked deliveries. Milliseconds since the epoch. */
  readonly deadlineMs?: number
}

/** Everything that the headline depends on. "Recently" is the window of the throughput. */
export interface HeadlineFacts {
  readonly nowMs: number
  readonly mode: 'live' | 'shadow'
  /** Parts, checks and steps that keep the relay from its work, the cause first, each with its reason. */
  readonly notReady: readonly { readonly part: string; readonly reason: string }[]
  /** Texts of findings with severity `error` that do not make it not ready. */
  readonly errors: readonly string[]
  readonly windowMs: number
  /** Recently, and since the start. Failed: without what an operator wanted. */
  readonly sent: number
  readonly failed: number
  readonly sentEver: number
  readonly failedEver: number
  /** In shadow mode: what would have been sent recently, and what not. */
  readonly wouldSend: number
  readonly wouldNot: number
  /** RPs with failures recently, the worst first; and whether each has accepted a logout since. */
  readonly failing: readonly string[]
  readonly isFailingOver: boolean
  /** Those whose deadline comes first, which stands first; and how many there are. */
  readonly troubled: readonly Troubled[]
  readonly troubledTotal: number
  /** Of all replicas; `undefined` while that is not known. */
  readonly parked: number | undefined
  /** What of it is parked for paused RPs, the first of them by name, and how many there are. */
  readonly paused: { readonly parked: number; readonly names: readonly string[]; readonly total: number }
  /** What of it is parked for issuers for which nothing is sent from here, the first of them, and how many there are. */
  readonly withheld: {
    readonly parked: number
    readonly issuers: readonly { readonly issuer: string; readonly why: IssuerObstacle }[]
    readonly total: number
  }
  /** The parked delivery that has used more than half of its time. */
  readonly late?: Troubled
  /** Records to be read, as far as is known. */
  readonly lag: number
  /** Since the start. */
  readonly triggers: number
  readonly ofUnknownIssuer: number
}

export interface Headline {
  readonly kind:
    | 'stopping'
    | 'not-ready'
    | 'error'
    | 'failing'
    | 'not-answering'
    | 'late'
    | 'withheld'
    | 'shadow'
    | 'nothing-yet'
    | 'owing'
    | 'idle'
    | 'well'
  readonly tone: 'good' | 'warn' | 'bad' | 'quiet'
  readonly title: string
  readonly text: string
}

const WAITING = 'logouts wait until this is fixed'

/** How the relay stands, in a line and the one below it: the worst that is known, or else what was done. */
export function headline(facts: HeadlineFacts): Headline {
  const { notReady, errors, failed, sent, troubled, late, mode } = facts
  if (notReady.some(({ part }) => part === 'service')) {
    const text = 'Attempts in flight end or are parked. Another replica continues.'
    return { kind: 'stopping', tone: 'bad', title: 'Stopping', text }
  }
  if (notReady.length > 0) {
    return notReadyFor(facts)
  }
  const [firstError] = errors
  if (firstError !== undefined) {
    const text = sentences(more(errors.length - 1, 'error'), counts(facts), owed(facts), held(facts))
    return { kind: 'error', tone: 'bad', title: capitalised(firstError), text }
  }
  if (failed > 0) return failing(facts)
  if (troubled.length > 0) {
    const [first] = troubled as [Troubled]
    const title =
      facts.troubledTotal === 1
        ? `${first.name} ${symptomOf(first.error)}`
        : `${listed(
            troubled.map(({ name }) => name),
            facts.troubledTotal,
          )} take no logouts`
    const tone = sent === 0 || late !== undefined ? 'bad' : 'warn'
    return {
      kind: 'not-answering',
      tone,
      title,
      text: sentences(counts(facts), owed(facts), deadline(facts), held(facts)),
    }
  }
  if (late !== undefined) {
    const text = sentences(counts(facts), owed(facts), deadline(facts), held(facts))
    return { kind: 'late', tone: 'bad', title: `Logouts of ${late.name} are late`, text }
  }
  if (facts.withheld.parked > 0) return withheld(facts)
  if (mode === 'shadow') return shadow(facts)
  return quiet(facts)
}

/** The first reason is the cause, of which the others may be consequences. */
function notReadyFor(facts: HeadlineFacts): Headline {
  const [cause, ...others] = facts.notReady as [
    HeadlineFacts['notReady'][number],
    ...HeadlineFacts['notReady'],
  ]
  const either =
    others.length > 0 ? `not ready either: ${listed(others.map(({ part }) => partName(part)))}` : ''
  const isPartial = (part: string) => (goesOnDespite as ReadonlySet<string>).has(part)
  const goesOn = facts.notReady.every(({ part }) => isPartial(part))
  return {
    kind: 'not-ready',
    tone: 'bad',
    title: `Not ready: ${statementOf(cause)}`,
    text: sentences(
      either,
      goesOn ? 'the rest of the work goes on' : WAITING,
      'no accepted logout is lost',
      held(facts),
    ),
  }
}

function withheld(facts: HeadlineFacts): Headline {
  const { issuers, parked, total } = facts.withheld
  const [first] = issuers
  const why =
    total === 1 && first !== undefined
      ? `${first.issuer} ${obstacleTexts[first.why]}`
      : `nothing is sent here for ${listed(
          issuers.map(({ issuer }) => issuer),
          total,
        )}`
  const what = `${number(parked)} parked ${wordFor(parked, 'delivery waits', 'deliveries wait')}`
  return {
    kind: 'withheld',
    tone: issuers.some((it) => it.why === 'misnamed') ? 'bad' : 'warn',
    title: `${what}: ${why}`,
    text: sentences(counts(facts), pausedFor(facts), waiting(facts)),
  }
}

function failing(facts: HeadlineFacts): Headline {
  const { failed, failing, isFailingOver, sent, troubled } = facts
  const who = failing.length === 0 ? '' : `: ${listed(failing)}`
  const tone = !isFailingOver && failed * 10 >= sent ? 'bad' : 'warn'
  const others = troubled.map(({ name }) => name).filter((name) => !failing.includes(name))
  return {
    kind: 'failing',
    tone,
    title: `${figures(facts)}${who}`,
    text: sentences(
      isFailingOver ? 'They have accepted logouts since' : '',
      others.length > 0 ? `No logouts are taken by ${listed(others)}` : '',
      owed(facts),
      deadline(facts),
      held(facts),
    ),
  }
}

function shadow(facts: HeadlineFacts): Headline {
  const { wouldNot, wouldSend, windowMs } = facts
  const not = wouldNot > 0 ? `, ${number(wouldNot)} would not` : ''
  const done = `${number(wouldSend)} would have been sent in ${span(windowMs)}${not}`
  const title = 'Shadow mode: nothing is sent'
  return { kind: 'shadow', tone: 'quiet', title, text: sentences(done, owed(facts), waiting(facts)) }
}

/** Nothing is known to be wrong. */
function quiet(facts: HeadlineFacts): Headline {
  const { failedEver, paused, sent, sentEver, windowMs } = facts
  // What is parked for a paused RP waits for an operator, and says nothing of how the rest is.
  const parked = (facts.parked ?? 0) - Math.min(paused.parked, facts.parked ?? 0)
  const done = parked === 0 ? 'all answered' : `${number(parked)} parked`
  if (sent > 0) {
    const title = `${number(sent)} sent in ${span(windowMs)}, ${done}`
    return {
      kind: parked === 0 ? 'well' : 'owing',
      tone: 'good',
      title,
      text: sentences(pausedFor(facts), waiting(facts)),
    }
  }
  if (sentEver + failedEver === 0) {
    const title = 'No RP has been told yet since the start'
    const text = sentences(read(facts), owed(facts), pausedFor(facts), waiting(facts))
    const tone = facts.ofUnknownIssuer > 0 ? 'warn' : 'quiet'
    return { kind: 'nothing-yet', tone, title, text }
  }
  if (parked > 0) {
    const title = `${number(parked)} ${wordFor(parked, 'delivery is', 'deliveries are')} parked, none was sent in ${span(windowMs)}`
    return {
      kind: 'owing',
      tone: 'warn',
      title,
      text: sentences(deadline(facts), pausedFor(facts), waiting(facts)),
    }
  }
  const ever = `${number(sentEver)} sent${failedEver > 0 ? ` and ${number(failedEver)} failed` : ''} since the start`
  const title = `Nothing to send in ${span(windowMs)}`
  return { kind: 'idle', tone: 'good', title, text: sentences(ever, pausedFor(facts), waiting(facts)) }
}

function read({ ofUnknownIssuer, triggers }: HeadlineFacts): string {
  const none =
    triggers === 0 ? 'no trigger was read' : `${number(triggers)} triggers read, nothing was owed for them`
  if (ofUnknownIssuer === 0) return none
  return `${none}; ${number(ofUnknownIssuer)} records skipped, because their issuer is not configured here`
}

function figures({ failed, sent, windowMs }: HeadlineFacts): string {
  return `${number(sent)} sent, ${number(failed)} failed in ${span(windowMs)}`
}

function counts(facts: HeadlineFacts): string {
  return facts.sentEver + facts.failedEver === 0 ? 'no RP has been told yet since the start' : figures(facts)
}

function owed({ parked }: HeadlineFacts): string {
  if (parked === undefined) return 'how much is parked is not known'
  return parked === 0 ? '' : `${number(parked)} parked`
}

/** What is parked and not attempted, for which reason, and for whom. */
function held(facts: HeadlineFacts): string {
  return [pausedFor(facts), withheldFor(facts)].filter((it) => it !== '').join('; ')
}

function withheldFor({ withheld: { issuers, parked, total } }: HeadlineFacts): string {
  const [first] = issuers
  if (first === undefined) return ''
  const who =
    total === 1
      ? `${first.issuer}, which ${obstacleTexts[first.why]}`
      : `${number(total)} issuers for which nothing is sent here`
  return `${number(parked)} ${wordFor(parked, 'waits', 'wait')} for ${who}`
}

function pausedFor({ paused: { names, parked, total } }: HeadlineFacts): string {
  if (parked === 0) return ''
  const who = `${listed(names, total)}, which ${wordFor(total, 'is', 'are')} paused`
  return `${number(parked)} ${wordFor(parked, 'waits', 'wait')} for ${who}`
}

/** Of the RPs that take nothing, and else of what is late: when the first delivery is given up. */
function deadline({ late, nowMs, troubled }: HeadlineFacts): string {
  const [first = late] = troubled.filter(({ deadlineMs }) => deadlineMs !== undefined)
  if (first?.deadlineMs === undefined) return ''
  const left = first.deadlineMs - nowMs
  const when = left <= 0 ? 'now' : `in ${span(left)}`
  return `the first delivery to ${first.name} is given up ${when}`
}

function waiting({ lag }: HeadlineFacts): string {
  return lag === 0 ? '' : `${number(lag)} ${wordFor(lag, 'record waits', 'records wait')} to be read`
}

function more(count: number, what: string): string {
  return count <= 0 ? '' : `${number(count)} more ${wordFor(count, what)}`
}

const PART_NAMES: Readonly<Record<string, string>> = {
  redis: 'Redis',
  kafka: 'Kafka',
  registry: 'the registry is not proved',
}

function partName(part: string): string {
  return PART_NAMES[part] ?? part
}

function statementOf({ part, reason }: HeadlineFacts['notReady'][number]): string {
  if (part === 'redis' && reason === 'not connected') return 'Redis is not connected'
  return part === 'registry' ? `the registry is not proved: ${reason}` : reason
}

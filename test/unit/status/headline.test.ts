import { expect, test } from 'vitest'
import { type HeadlineFacts, headline } from '../../../src/status/headline.ts'

const NOW = 1_000_000
const HOUR = 3_600_000

const nothing: HeadlineFacts = {
  nowMs: NOW,
  mode: 'live',
  notReady: [],
  errors: [],
  windowMs: 300_000,
  sent: 0,
  failed: 0,
  sentEver: 0,
  failedEver: 0,
  wouldSend: 0,
  wouldNot: 0,
  failing: [],
  isFailingOver: false,
  troubled: [],
  troubledTotal: 0,
  parked: 0,
  paused: { parked: 0, names: [], total: 0 },
  withheld: { parked: 0, issuers: [], total: 0 },
  lag: 0,
  triggers: 0,
  ofUnknownIssuer: 0,
}
const well = { sent: 12, sentEver: 12 }
const wiki = { name: 'wiki', error: 'ECONNREFUSED', deadlineMs: NOW + 23 * HOUR }
const down = { troubled: [wiki], troubledTotal: 1, parked: 40 }
const paused = { parked: 7, paused: { parked: 7, names: ['mail'], total: 1 } }
const topicMissing = { part: 'topic-missing', reason: 'the input topic t does not exist' }
const unproved = { part: 'registry', reason: 'not read yet' }
const noMember = { part: 'kafka', reason: 'not a member of the consumer group' }
const withheldAt = (why: 'unknown' | 'disabled' | 'misnamed') => ({
  parked: 1,
  withheld: { parked: 1, issuers: [{ issuer: 'https://a', why }], total: 1 },
})
const failing = { failed: 1_500, failedEver: 1_500, failing: ['wiki'], isFailingOver: false }

/** What is the case, the kind and the tone of the headline, and what must be in it. */
const cases: readonly [string, Partial<HeadlineFacts>, string, string, readonly string[]][] = [
  ['nothing yet', {}, 'nothing-yet', 'quiet', ['No RP has been told yet since the start']],
  ['only triggers of others', { ofUnknownIssuer: 7 }, 'nothing-yet', 'warn', ['7', 'issuer']],
  ['records wait', { lag: 1_234 }, 'nothing-yet', 'quiet', ['1,234']],
  ['well', well, 'well', 'good', ['12 sent', 'all answered']],
  ['well before', { sentEver: 12 }, 'idle', 'good', ['12 sent']],
  ['a backlog is drained', { ...well, parked: 300 }, 'owing', 'good', ['12 sent', '300 parked']],
  ['a backlog stands still', { sentEver: 1, parked: 1 }, 'owing', 'warn', ['1 delivery is parked']],
  [
    'one RP is down',
    { ...well, ...down },
    'not-answering',
    'warn',
    ['wiki', 'ECONNREFUSED', '40 parked', '23 h'],
  ],
  ['the only RP is down', down, 'not-answering', 'bad', ['wiki', 'No RP has been told yet']],
  [
    'an RP refuses',
    { ...well, ...down, troubled: [{ ...wiki, error: 'HTTP 400' }] },
    'not-answering',
    'warn',
    ['wiki', 'HTTP 400'],
  ],
  [
    'many RPs are down',
    {
      ...well,
      ...down,
      troubled: ['a', 'b', 'c', 'd'].map((name) => ({ ...wiki, name })),
      troubledTotal: 40,
    },
    'not-answering',
    'warn',
    ['a, b, c and 37 more', 'to a is'],
  ],
  ['a mass failure', { ...failing }, 'failing', 'bad', ['0 sent, 1,500 failed in 5 min: wiki']],
  ['a few failures', { ...failing, sent: 10_000, failed: 1 }, 'failing', 'warn', ['10,000 sent, 1 failed']],
  [
    'a mass failure that is over',
    { ...failing, isFailingOver: true, sent: 1 },
    'failing',
    'warn',
    ['wiki', 'since'],
  ],
  [
    'one fails, another is down',
    { ...failing, ...down, failing: ['shop'] },
    'failing',
    'bad',
    ['shop', 'wiki', '23 h'],
  ],
  ['late, and nobody knows why', { ...well, parked: 3, late: wiki }, 'late', 'bad', ['wiki', '23 h']],
  [
    'late, because it is down',
    { ...well, ...down, late: wiki },
    'not-answering',
    'bad',
    ['wiki', 'ECONNREFUSED'],
  ],
  ['past its deadline', { ...down, troubled: [{ ...wiki, deadlineMs: 5 }] }, 'not-answering', 'bad', ['now']],
  [
    'a check found an error',
    { ...well, errors: ['kid 1 is not published'] },
    'error',
    'bad',
    ['Kid 1 is not published'],
  ],
  [
    'an error and what comes of it',
    { ...failing, errors: ['kid 1', 'x'] },
    'error',
    'bad',
    ['Kid 1', '1 more', '1,500 failed'],
  ],
  [
    'not ready',
    { ...failing, notReady: [{ part: 'redis', reason: 'not connected' }, unproved] },
    'not-ready',
    'bad',
    ['Not ready: Redis is not connected', 'Not ready either: the registry', 'Logouts wait'],
  ],
  [
    'not ready, for a reason that lies elsewhere',
    { notReady: [topicMissing, unproved, noMember] },
    'not-ready',
    'bad',
    ['Not ready: the input topic t does not exist', 'the registry is not proved and Kafka'],
  ],
  [
    'not ready, and the rest goes on',
    { notReady: [{ part: 'key-published', reason: 'kid 1 is not published' }] },
    'not-ready',
    'bad',
    ['kid 1 is not published', 'The rest of the work goes on'],
  ],
  [
    'stopping',
    { notReady: [{ part: 'service', reason: 'stopping' }, noMember] },
    'stopping',
    'bad',
    ['Stopping'],
  ],
  [
    'shadow',
    { mode: 'shadow', wouldSend: 9, wouldNot: 2 },
    'shadow',
    'quiet',
    ['nothing is sent', '9 would have been', '2 would not'],
  ],
  ['an RP is paused', { ...well, ...paused }, 'well', 'good', ['all answered', '7 wait for mail']],
  ['only an RP that is paused', { sentEver: 1, ...paused }, 'idle', 'good', ['7 wait for mail', 'paused']],
  [
    'an RP is paused, another has a backlog',
    { ...well, ...paused, parked: 9 },
    'owing',
    'good',
    ['2 parked', '7 wait for mail'],
  ],
  ['shadow, not ready', { mode: 'shadow', notReady: [noMember] }, 'not-ready', 'bad', ['consumer group']],
  ['of an issuer named otherwise', { ...well, ...withheldAt('misnamed') }, 'withheld', 'bad', ['https://a']],
  [
    'of an unknown issuer',
    { ...well, ...withheldAt('unknown') },
    'withheld',
    'warn',
    ['1 parked', 'https://a'],
  ],
  ['of a disabled issuer', { sentEver: 1, ...withheldAt('disabled') }, 'withheld', 'warn', ['disabled']],
  [
    'one RP is down, and an issuer is unknown',
    { ...well, ...down, withheld: withheldAt('unknown').withheld },
    'not-answering',
    'warn',
    ['wiki', '1 waits for https://a'],
  ],
  ['Redis is unknown', { ...well, parked: undefined, errors: ['x'] }, 'error', 'bad', ['not known']],
]

test.each(cases)('%s', (_, facts, kind, tone, parts) => {
  const line = headline({ ...nothing, ...facts })
  expect(line).toMatchObject({ kind, tone })
  for (const part of parts) expect(`${line.title} | ${line.text}`).toContain(part)
})

test('whatever is wrong, it does not say well', () => {
  const wrongs: Partial<HeadlineFacts>[] = [
    down,
    failing,
    { errors: ['x'] },
    { notReady: [noMember] },
    { late: wiki },
    withheldAt('misnamed'),
    withheldAt('unknown'),
    withheldAt('disabled'),
  ]
  for (const wrong of wrongs) expect(headline({ ...nothing, ...well, ...wrong }).tone).not.toBe('good')
})

test('whatever stands first, paused clients are named below it', () => {
  const firsts: Partial<HeadlineFacts>[] = [
    down,
    failing,
    { errors: ['x'] },
    { notReady: [noMember] },
    { late: wiki },
    withheldAt('disabled'),
    { sent: 1 },
    { sentEver: 1 },
    {},
  ]
  for (const first of firsts) {
    const { kind, text } = headline({ ...nothing, ...first, parked: 9, paused: paused.paused })
    expect(text, kind).toContain('wait for mail, which is paused')
  }
})

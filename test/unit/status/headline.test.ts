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
  lag: 0,
  triggers: 0,
  ofUnknownIssuer: 0,
}
const well = { sent: 12, sentEver: 12 }
const wiki = { name: 'wiki', error: 'ECONNREFUSED', deadlineMs: NOW + 23 * HOUR }
const down = { troubled: [wiki], troubledTotal: 1, parked: 40 }
const paused = { parked: 7, paused: { parked: 7, names: ['mail'], total: 1 } }
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
    { ...failing, notReady: ['redis', 'key-published'] },
    'not-ready',
    'bad',
    ['Redis', 'key-published'],
  ],
  ['stopping', { notReady: ['service', 'kafka'] }, 'stopping', 'bad', ['Stopping']],
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
  ['shadow, not ready', { mode: 'shadow', notReady: ['kafka'] }, 'not-ready', 'bad', ['Kafka']],
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
    { notReady: ['redis'] },
    { late: wiki },
  ]
  for (const wrong of wrongs) expect(headline({ ...nothing, ...well, ...wrong }).tone).not.toBe('good')
})

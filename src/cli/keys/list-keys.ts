import type { Command } from 'commander'
import { type ExaminedKey, examineKeys } from '../../diagnosis/examine-keys.ts'
import { fetchDocument } from '../../egress/fetch-document.ts'
import { systemClock } from '../../lib/clock.ts'
import { timeText } from '../../lib/time-text.ts'
import { parseIssuer } from '../arguments.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { keyFileLayout, keyFileOf } from './key-file-of.ts'

interface Options {
  readonly issuer?: string
  readonly file?: string
  readonly json?: boolean
}

type KeyRow = ExaminedKey & Record<string, unknown>

const DOCUMENT_LIMITS = { timeoutMs: 10_000, bytesMax: 1_024 * 1_024 }

const columns: readonly Column<KeyRow>[] = [
  { title: 'KID', cell: ({ kid }) => kid },
  { title: 'ALG', cell: ({ algorithms }) => algorithms.join(' ') },
  { title: 'STRENGTH', cell: ({ strength }) => strength },
  {
    title: 'SIGNS',
    cell: ({ signs, fromMs }) => (fromMs === undefined ? signs : `from ${timeText(fromMs)}`),
  },
  { title: 'UNTIL', cell: ({ untilMs }) => untilMs && timeText(untilMs) },
  { title: 'PUBLISHED', cell: ({ published }) => published },
  { title: 'WHY', cell: ({ reason, publication }) => [reason, publication].filter(Boolean).join('; ') },
]

export function addListKeys(keys: Command): void {
  reads(keys.command('list'), keyFileLayout)
    .description('list the keys of an issuer: what signs now, later and never, and what it publishes itself')
    .option('--issuer <issuer>', 'keys of this issuer (default: the only one)', parseIssuer)
    .option('--file <file>', 'keys of this file (default: the configured one)')
    .option('--json', 'one line of JSON per key')
    .addHelpText('after', '\nExamples:\n  $ logout-relay keys list --json')
    .action(listKeys)
}

async function listKeys({ json, ...options }: Options): Promise<void> {
  const output = new Output(json === true)
  const meant = await keyFileOf(options)
  const examined = await examineKeys({
    ...meant,
    clock: systemClock,
    fetchDocument: (uri) => fetchDocument(uri, DOCUMENT_LIMITS),
  })
  if (output.isJson)
    for (const { fromMs, untilMs, ...row } of examined)
      output.json({ ...row, ...timeOf('from', fromMs), ...timeOf('until', untilMs) })
  else output.rows(columns, examined as readonly KeyRow[], '')
  const { defaultAlg } = meant
  if (defaultAlg === undefined) return
  if (!examined.some(({ algorithms, signs }) => signs === 'now' && algorithms.includes(defaultAlg)))
    output.fail(`no key signs ${defaultAlg} now, the default of its clients; add one or set another alg`)
}

function timeOf(name: string, ms: number | undefined): Record<string, string> {
  return ms === undefined ? {} : { [name]: timeText(ms) }
}

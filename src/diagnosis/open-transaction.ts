import type { LogFacts } from './facts.ts'
import type { Finding } from './finding.ts'

/** A transaction takes less; after so long its producer has died or forgotten it. */
export const OPEN_TRANSACTION_MS = 10_000

/** Behind the first record of an open transaction nobody can read, whoever wrote it. */
export function checkOpenTransaction({ open }: Pick<LogFacts, 'open'>): Finding[] {
  return open.map(({ topic, partition, from, records, sinceMs }) => ({
    check: 'open-transaction',
    about: `${topic}/${partition}`,
    severity: 'warning',
    message:
      `${records} record(s) of ${topic}, partition ${partition}, wait behind a transaction that another producer left open ` +
      `at offset ${from}, since ${new Date(sinceMs).toISOString()}: their logouts are not sent before it ends`,
    mend: openTransactionRemedy(topic, partition, from),
  }))
}

export function openTransactionRemedy(topic: string, partition: number, from: number): string {
  const tool = 'kafka-transactions.sh --bootstrap-server …'
  return (
    `find its producer with ${tool} find-hanging --broker-id … or describe-producers --topic ${topic} --partition ${partition}; ` +
    `end it, or abort it with ${tool} abort --topic ${topic} --partition ${partition} --start-offset ${from}`
  )
}

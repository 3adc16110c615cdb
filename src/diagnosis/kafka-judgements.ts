import { isLoopbackHost } from '../lib/loopback-host.ts'
import type { Fact } from './facts.ts'
import { hint, type Judgement, ok, unknown, warning } from './judgement.ts'

const mend = 'set KAFKA_TLS=true, and let KAFKA_BROKERS name listeners that speak TLS'

/** Who listens between relay and brokers must not read the password, nor who is logged out where. */
export function judgeKafkaTransport(
  brokers: readonly string[],
  isTls: boolean,
  mechanism: string | undefined,
): Judgement {
  const shown = brokers.join(', ')
  if (isTls) return ok(`${shown}: reached over TLS`)
  if (brokers.every((broker) => isLoopbackHost(broker.slice(0, broker.lastIndexOf(':'))))) {
    return ok(`${shown}: on this machine, without TLS`)
  }
  return mechanism === 'plain'
    ? warning(`${shown}: without TLS, so the password of SASL PLAIN goes over the network in clear`, mend)
    : hint(`${shown}: without TLS; whoever listens on the way reads who is logged out where`, mend)
}

/** `letters`: of the last day. */
export function judgeDeadLetters(letters: Fact<number>): Judgement {
  if ('unread' in letters) return unknown(`the dead-letter topic could not be read: ${letters.unread}`)
  if (letters.value === 0) return ok('no record became a dead letter within a day')
  return warning(
    `${letters.value} records became dead letters within a day: nobody was told for them`,
    'read their header dead-letter-reason, put right what it names, and send them again with logout-relay replay --dead-letters --from 1d',
  )
}

import { isLoopbackHost } from '../lib/loopback-host.ts'
import { hint, type Judgement, ok, warning } from './judgement.ts'

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

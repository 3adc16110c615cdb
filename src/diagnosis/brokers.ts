import { counted } from '../lib/counted.ts'
import { isLoopbackHost } from '../lib/loopback-host.ts'
import type { TcpAnswer } from '../lib/tcp-connect.ts'
import type { Check } from './check.ts'
import type { BrokerFacts } from './facts.ts'
import { error, type Found, hint, ok, warning } from './finding.ts'
import { networkFault } from './network-fault.ts'

const useTls = 'set KAFKA_TLS=true, and set KAFKA_BROKERS to TLS listeners'

/** Who listens between relay and brokers must not read the password, nor who is logged out where. */
export function checkKafkaTransport(
  brokers: readonly string[],
  isTls: boolean,
  mechanism: string | undefined,
): Found {
  const shown = brokers.join(', ')
  if (isTls) return ok(`${shown}: reached over TLS`)
  if (brokers.every((broker) => isLoopbackHost(broker.slice(0, broker.lastIndexOf(':'))))) {
    return ok(`${shown}: on this machine, without TLS`)
  }
  return mechanism === 'plain'
    ? warning(`${shown}: without TLS, so the network sees the SASL PLAIN password in clear text`, useTls)
    : hint(`${shown}: without TLS, so the network sees who is logged out where`, useTls)
}

/** A broker, with what came of connecting to the address that it advertises. */
export type TriedBroker = BrokerFacts & { readonly answer: TcpAnswer }

/** The addresses that brokers advertise are others than those in `KAFKA_BROKERS`, and may not be reachable from here. */
function checkBroker({ nodeId, host, port, answer }: TriedBroker): Found {
  const address = `${host}:${port}`
  if (answer.kind === 'connected') return ok(`${address} accepts connections`, String(nodeId))
  return error(
    `advertised address ${address}: ${networkFault(answer.code).what}; the relay can neither read nor write the partitions of this broker`,
    'check that the broker runs, and that this machine can reach the address in its advertised.listeners',
    String(nodeId),
  )
}

export const brokerChecks: readonly Check<readonly TriedBroker[]>[] = [
  {
    name: 'kafka-reachable',
    runs: 'doctor',
    find: (brokers) => [ok(`the cluster has ${counted(brokers.length, 'broker')}`)],
  },
  { name: 'kafka-broker', runs: 'doctor', find: (brokers) => brokers.map(checkBroker) },
]

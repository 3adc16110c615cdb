/*
 * kafkajs splits `host:port` at the first colon. So an IPv6 address passes through it with its colons replaced by a character
 * that no name contains, and is restored where the socket is created.
 */

const STAND_IN = '~'

/** `[address]:port` in a form that kafkajs can split. Anything else is unchanged. */
export function addressForKafkajs(broker: string): string {
  const [, address, port] = /^\[(.+)\]:(\d+)$/.exec(broker) ?? []
  return address === undefined ? broker : `${address.replaceAll(':', STAND_IN)}:${port}`
}

/** The host of such an address, also of one that a broker advertises. */
export function hostFromKafkajs(host: string): string {
  return host.replaceAll(STAND_IN, ':')
}

/*
 * kafkajs takes what stands before the first colon of a `host:port` for the host. So an IPv6 address goes through it
 * with a character for its colons that stands in no name, and is turned back where the socket is made.
 */

const STAND_IN = '~'

/** `[address]:port` in a form that kafkajs can take apart; anything else as it is. */
export function addressForKafkajs(broker: string): string {
  const [, address, port] = /^\[(.+)\]:(\d+)$/.exec(broker) ?? []
  return address === undefined ? broker : `${address.replaceAll(':', STAND_IN)}:${port}`
}

/** The host of such an address, and also one that a broker advertises. */
export function hostFromKafkajs(host: string): string {
  return host.replaceAll(STAND_IN, ':')
}

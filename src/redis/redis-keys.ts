/** The public Redis layout. The part in braces is the hash tag: keys of one session, or of one RP, share a slot. */
export class RedisKeys {
  readonly mode: 'live' | 'shadow'
  readonly prefix: string
  readonly #backlog: string

  /**
   * In shadow mode the backlog has keys of its own, and everything else is shared: what a relay in one mode has parked, one in
   * the other never takes up.
   */
  constructor(prefix: string, mode: 'live' | 'shadow' = 'live') {
    this.mode = mode
    this.prefix = prefix
    this.#backlog = `${prefix}:${mode === 'shadow' ? 'shadow-backlog' : 'backlog'}`
  }

  /** Hash: oidcSessionId → registration JSON. */
  session(issuer: string, sessionId: string): string {
    return `${this.prefix}:session:{${issuer}|${sessionId}}`
  }

  /** String: the marks of its endings, then a line per settled registration, see `session-mark.ts`. */
  ended(issuer: string, sessionId: string): string {
    return `${this.prefix}:ended:{${issuer}|${sessionId}}`
  }

  /** Sorted set: session ids by the end of their lifetime. */
  user(issuer: string, userId: string): string {
    return `${this.prefix}:user:{${issuer}|${userId}}`
  }

  /** String: the mark of the user's last sign-out everywhere. */
  signedOut(issuer: string, userId: string): string {
    return `${this.prefix}:signed-out:{${issuer}|${userId}}`
  }

  /** Hash: settings of an RP that override those of its registrations, and the changes of its state. */
  client(issuer: string, clientId: string): string {
    return `${this.prefix}:client:{${issuer}|${clientId}}`
  }

  /** Hash: `<issuer>|<clientId>` of each RP that is or was not active → the changes of its state. */
  clientStates(): string {
    return `${this.prefix}:client-states`
  }

  /** Sorted set: the relays by the time at which each last wrote its summary. */
  relays(): string {
    return `${this.prefix}:relays`
  }

  /** String: what one relay has seen of RPs. */
  relay(id: string): string {
    return `${this.prefix}:relay:{${id}}`
  }

  /** Sorted set: parked deliveries of one RP by due time. */
  backlog(rp: string): string {
    return `${this.#backlog}:{${rp}}`
  }

  /** Hash: the state of the RP's parked deliveries. */
  backlogState(rp: string): string {
    return `${this.#backlog}-state:{${rp}}`
  }

  /** Sorted set: RPs by the due time of their next parked delivery. */
  backlogs(): string {
    return `${this.#backlog}s`
  }

  /** Hash: the marker that reveals a lost, old or emptied Redis. */
  epoch(): string {
    return `${this.prefix}:epoch`
  }

  /** Hash: partition → the offset up to which its records are applied. */
  positions(): string {
    return `${this.prefix}:positions`
  }

  /** String: the consumer group that first used this prefix. */
  group(): string {
    return `${this.prefix}:group`
  }

  /** String: held by the replica that rebuilds the registry. */
  rebuildLock(): string {
    return `${this.prefix}:rebuild`
  }
}

/** What is searched for: sessions, and users who may have signed out everywhere. It grows while records are read. */
export class Subject {
  /** What was asked for; a session or a user, nobody knows beforehand. */
  readonly asked: string
  readonly sessions: Set<string>
  readonly users: Set<string>

  constructor(asked: string) {
    this.asked = asked
    this.sessions = new Set([asked])
    this.users = new Set([asked])
  }

  get size(): number {
    return this.sessions.size + this.users.size
  }

  /** A session and its user belong together; either may be what was asked for. */
  learn(sessionId: string | undefined, userId: string | undefined): void {
    if (sessionId === undefined || userId === undefined) return
    if (userId === this.asked) this.sessions.add(sessionId)
    if (sessionId === this.asked) this.users.add(userId)
  }

  /** A record about one session, or about all sessions of a user. */
  covers(sessionId: string | undefined, userId: string | undefined): boolean {
    if (sessionId === undefined) return userId !== undefined && this.users.has(userId)
    return this.sessions.has(sessionId) || userId === this.asked
  }

  /** False only for bytes in which none of the ids can stand. */
  mayStandIn(bytes: Buffer): boolean {
    // A backslash may spell any character of an id.
    if (bytes.includes(0x5c)) return true
    for (const id of this.sessions) if (bytes.includes(id)) return true
    for (const id of this.users) if (bytes.includes(id)) return true
    return false
  }
}

import { Browser } from '../support/identity/browser.ts'
import type { RelyingParty } from '../support/identity/relying-party.ts'
import type { LogLine } from '../support/relay-log.ts'
import type { Narrator } from './narrator.ts'
import type { Stage } from './stage.ts'

/** Time for the relay's next attempt to stay in the future while a page is asked. */
const RETRY_SEEN_MS = 500

/** What the demo shows once everything runs: a logout that goes well, and one that has to wait for an RP. */
export class Story {
  readonly #stage: Stage
  readonly #narrator: Narrator

  constructor(stage: Stage, narrator: Narrator) {
    this.#stage = stage
    this.#narrator = narrator
  }

  async sessionEndsEverywhere(): Promise<void> {
    const narrator = this.#narrator
    const { shop, wiki, provider } = this.#stage.platform
    const alice = new Browser()

    narrator.step('Alice signs in at the provider, once, and uses both applications')
    await alice.signIn(shop, 'alice')
    await alice.signIn(wiki, 'alice')
    await this.#showPages(alice, { signedInAt: [shop, wiki] })

    narrator.step("An administrator ends Alice's session at the provider")
    const sessionId = only(provider.sessionsOf('alice'))
    await provider.terminateSession(sessionId)
    narrator.detail(`published to Kafka: session-terminated, session ${shorten(sessionId)}`)

    narrator.step('The relay reads that, sends each application a signed logout token, and reports back')
    await this.#showOutcome(sessionId, shop)
    await this.#showOutcome(sessionId, wiki)

    narrator.step("Alice's next click: both applications ask for a login again")
    await this.#showPages(alice, { signedInAt: [] })
  }

  async logoutWaitsForAnOutage(): Promise<void> {
    const narrator = this.#narrator
    const { shop, wiki, provider } = this.#stage.platform
    const bob = new Browser()

    narrator.step('Bob signs in at both. Then Wiki goes down, and his session is ended as well')
    await bob.signIn(shop, 'bob')
    await bob.signIn(wiki, 'bob')
    await this.#showPages(bob, { signedInAt: [shop, wiki] })
    await wiki.goDown()
    const sessionId = only(provider.sessionsOf('bob'))
    await provider.terminateSession(sessionId)
    narrator.detail(`published to Kafka: session-terminated, session ${shorten(sessionId)}`)

    narrator.step('Shop is told at once; for Wiki the relay keeps the logout in Redis and tries again')
    await this.#showOutcome(sessionId, shop)
    await this.#showRetries(sessionId)

    narrator.step('Wiki is back, and still believes that Bob is signed in …')
    await wiki.comeBack()
    await this.#showPages(bob, { signedInAt: [wiki] })

    narrator.step('… until the next attempt')
    await this.#showOutcome(sessionId, wiki)
    await this.#showPages(bob, { signedInAt: [] })
  }

  /** Prints the attempts that failed, up to one that leaves time to look at the page before the next. */
  async #showRetries(sessionId: string): Promise<void> {
    const { relay } = this.#stage
    const failed = (line: LogLine) => line.session === sessionId && line.verdict === 'retry'
    const last = await relay.waitForLog(
      (line) => failed(line) && Number(line.attemptNumber) > 1 && retryInMs(line) >= RETRY_SEEN_MS,
    )
    for (const line of relay.log.filter(failed)) {
      const what = `attempt ${line.attemptNumber}: ${String(line.error).split(':')[0]}`
      this.#narrator.detail(`relay log: ${line.client}, ${what}, next in ${retryInMs(line)} ms`)
      if (line === last) return
    }
  }

  /** Prints what both applications answer. Throws when it is not what the story says. */
  async #showPages(browser: Browser, { signedInAt }: { signedInAt: readonly RelyingParty[] }): Promise<void> {
    const { shop, wiki } = this.#stage.platform
    for (const relyingParty of [shop, wiki]) {
      const { status, body, location } = await browser.visit(relyingParty)
      const text = location === undefined ? `"${body}"` : `to the login at ${new URL(location).origin}`
      this.#narrator.detail(relyingParty.name, relyingParty.url, String(status), text)
      const expected = signedInAt.includes(relyingParty) ? 200 : 302
      if (status !== expected)
        throw new Error(`${relyingParty.name} answers ${status} instead of ${expected}`)
    }
  }

  /** Waits for the record and prints it. Throws when it is not a `sent` one. */
  async #showOutcome(sessionId: string, { clientId }: RelyingParty): Promise<void> {
    const { headers, data } = await this.#stage.platform.topic.waitForOutcome(clientId, sessionId)
    const { status, attempts, reason } = data
    const type = headers.ce_type
    this.#narrator.detail(
      `read from Kafka: ${type}, client ${clientId}, status ${status}, attempts ${attempts}`,
    )
    if (type !== 'backchannel-logout-sent') throw new Error(`the logout at ${clientId} failed: ${reason}`)
  }
}

function retryInMs({ next }: LogLine): number {
  return (next as { retryInMs?: number } | undefined)?.retryInMs ?? 0
}

function only(sessions: readonly string[]): string {
  const [sessionId] = sessions
  if (sessionId === undefined || sessions.length > 1)
    throw new Error(`${sessions.length} sessions, expected 1`)
  return sessionId
}

function shorten(id: string): string {
  return `${id.slice(0, 8)}…`
}

import { CookieJar } from 'tough-cookie'
import { request } from 'undici'
import { type Form, readForm } from './form.ts'
import type { Page } from './page.ts'
import type { RelyingParty } from './relying-party.ts'

/** A login at the provider with consent takes about ten. */
const STEPS_MAX = 20
/** Of every user, where a provider asks for the right one. */
export const PASSWORD = 'any will do'
const BODY_SHOWN_MAX = 500

/** What to enter into a form, beside its hidden fields; `undefined` leaves the form alone. */
type FillIn = (form: Form) => Readonly<Record<string, string>> | undefined

/** A user's browser, reduced to what a login needs: cookies, redirects and forms. */
export class Browser {
  readonly #cookies = new CookieJar()

  /**
   * Opens the RP's page and goes through whatever the provider asks: login, consent, or nothing when the user has
   * a session there already. Resolves with the text of the page; throws when it ends anywhere else.
   */
  async signIn(relyingParty: RelyingParty, userId: string): Promise<string> {
    const page = await this.#browse(relyingParty.url, ({ fields }) => {
      const name = ['login', 'username'].find((it) => fields.includes(it))
      return name === undefined ? {} : { [name]: userId, password: PASSWORD }
    })
    if (page.status !== 200 || new URL(page.url).origin !== relyingParty.url) {
      throw unexpected(page)
    }
    return page.body
  }

  /** Follows the RP's logout link: it forgets this user, and the provider ends the session (RP-initiated logout). */
  async signOut(relyingParty: RelyingParty): Promise<void> {
    const confirm: FillIn = (form) => (form.fields.includes('xsrf') ? { logout: 'yes' } : undefined)
    const page = await this.#browse(`${relyingParty.url}/logout`, confirm)
    if (page.status !== 200) throw unexpected(page)
  }

  /** Opens the RP's page without following where it leads. */
  visit(relyingParty: RelyingParty): Promise<Page> {
    return this.#send(relyingParty.url)
  }

  /** Asks the RP's page, once: its content means yes, the way to the provider means no. Throws for anything else. */
  async isSignedIn(relyingParty: RelyingParty): Promise<boolean> {
    const page = await this.visit(relyingParty)
    if (page.status === 200) return true
    if (page.status === 302 && page.location?.startsWith(`${relyingParty.issuer}/`)) return false
    throw unexpected(page)
  }

  async #browse(start: string, fillIn: FillIn): Promise<Page> {
    let page = await this.#send(start)
    for (let step = 0; step < STEPS_MAX; step += 1) {
      if (page.location !== undefined) {
        page = await this.#send(page.location)
        continue
      }
      const form = readForm(page.body)
      const entries = form && fillIn(form)
      if (form === undefined || entries === undefined) return page
      page = await this.#send(new URL(form.action, page.url).href, { ...form.hidden, ...entries })
    }
    throw new Error(`still not there after ${STEPS_MAX} steps, now at ${page.url}`)
  }

  async #send(url: string, entries?: Record<string, string>): Promise<Page> {
    const response = await request(url, {
      method: entries === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'text/html',
        cookie: await this.#cookies.getCookieString(url),
        ...(entries && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: entries === undefined ? null : new URLSearchParams(entries).toString(),
      // A connection that is kept would be a broken one after an RP's outage.
      reset: true,
    })
    const { 'set-cookie': setCookie, location } = response.headers
    for (const cookie of [setCookie ?? []].flat()) await this.#cookies.setCookie(cookie, url)
    return {
      url,
      status: response.statusCode,
      ...(location !== undefined && { location: new URL(String(location), url).href }),
      body: await response.body.text(),
    }
  }
}

function unexpected({ url, status, body }: Page): Error {
  return new Error(`${url} answers ${status}: ${body.slice(0, BODY_SHOWN_MAX)}`)
}

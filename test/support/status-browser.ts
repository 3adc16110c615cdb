import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { ensureChromium } from '../stack/chromium.ts'

export const looks = {
  'light desktop': { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  'dark desktop': { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  'light phone': { viewport: { width: 360, height: 740 }, colorScheme: 'light', hasTouch: true },
  'dark phone': { viewport: { width: 390, height: 844 }, colorScheme: 'dark', hasTouch: true },
} as const satisfies Record<string, BrowserContextOptions>

/** A real browser on a relay's status page; or, where there is none, the reason in `missing`. */
export class StatusBrowser {
  readonly missing: string | undefined
  readonly #browser: Browser | undefined
  /** What the browser complained of: errors of the script, and what the page's policy kept from it. */
  readonly #complaints: string[] = []

  static async launch(): Promise<StatusBrowser> {
    const found = await ensureChromium()
    if ('missing' in found) {
      process.stderr.write(`The status page is not tested in a browser: ${found.missing}\n`)
      return new StatusBrowser(undefined, found.missing)
    }
    return new StatusBrowser(await chromium.launch({ executablePath: found.path, args: ['--no-sandbox'] }))
  }

  private constructor(browser: Browser | undefined, missing?: string) {
    this.#browser = browser
    this.missing = missing
  }

  /** Resolves when the page shows what the relay reports, or what stands in for it: a snapshot. */
  async open(url: string, options: BrowserContextOptions = {}, snapshot?: object): Promise<Page> {
    const context = await (this.#browser as Browser).newContext(options)
    const page = await context.newPage()
    page.on('pageerror', (error) => this.#complaints.push(String(error)))
    page.on('console', (message) => {
      // A relay that is gone is what some tests are about.
      if (message.type() === 'error' && !message.text().includes('net::ERR_'))
        this.#complaints.push(message.text())
    })
    if (snapshot !== undefined) await page.addInitScript(standIn(snapshot))
    await page.goto(url)
    await page.waitForSelector('#link.good')
    return page
  }

  /** Returns what the browser complained of since the last call. */
  async closePages(): Promise<string[]> {
    for (const context of this.#browser?.contexts() ?? []) await context.close()
    return this.#complaints.splice(0)
  }

  async close(): Promise<void> {
    await this.#browser?.close()
  }
}

/** A stream of events that reports that snapshot again and again. */
function standIn(snapshot: object): string {
  return `window.EventSource = class {
    constructor() {
      const say = () => this.onmessage({ data: ${JSON.stringify(JSON.stringify(snapshot))} })
      setTimeout(say)
      this.timer = setInterval(say, 1000)
    }
    close() {
      clearInterval(this.timer)
    }
  }`
}

/**
 * Where an RP remembers which sessions and users were logged out. Its methods are `async` and never name a
 * callback: express-openid-connect reads their source text to find out how to call them.
 */
export class LogoutStore {
  readonly #entries = new Map<string, unknown>()

  async get(key: string): Promise<unknown> {
    return this.#entries.get(key)
  }

  async set(key: string, entry: unknown): Promise<void> {
    this.#entries.set(key, entry)
  }

  async destroy(key: string): Promise<void> {
    this.#entries.delete(key)
  }
}

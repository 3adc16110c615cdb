import type { ClientHistory } from './client-history.ts'

/** The states of clients, which all replicas share. */
export interface ClientStatesStore {
  /**
   * The clients that are or were not active, by `<issuer>|<clientId>`; `undefined` when they are as they were at `version`, or
   * there are none. Throws when the store cannot be reached.
   */
  read(
    version: string | undefined,
  ): Promise<{ readonly version: string; readonly histories: ReadonlyMap<string, ClientHistory> } | undefined>
}

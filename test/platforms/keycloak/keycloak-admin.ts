export interface AdminLogin {
  readonly username: string
  readonly password: string
}

export interface UserSession {
  readonly id: string
}

/** What an administrator does, by Keycloak's REST interface. Each method throws what Keycloak answers when it refuses. */
export class KeycloakAdmin {
  readonly #url: string
  readonly #login: AdminLogin

  constructor(url: string, login: AdminLogin) {
    this.#url = url
    this.#login = login
  }

  /** `id`: chosen by Keycloak. */
  async createUser(realm: string, username: string, password: string): Promise<string> {
    const name = { firstName: username, lastName: username, email: `${username}@example.com` }
    const credentials = [{ type: 'password', value: password, temporary: false }]
    await this.#send('POST', `${realm}/users`, {
      username,
      enabled: true,
      emailVerified: true,
      ...name,
      credentials,
    })
    const [user] = (await this.#send('GET', `${realm}/users?exact=true&username=${username}`)) as {
      id: string
    }[]
    if (user === undefined) throw new Error(`Keycloak has no user ${username}`)
    return user.id
  }

  async createClient(realm: string, client: object): Promise<void> {
    await this.#send('POST', `${realm}/clients`, client)
  }

  async realmId(realm: string): Promise<string> {
    return ((await this.#send('GET', realm)) as { id: string }).id
  }

  async sessionsOf(realm: string, userId: string): Promise<UserSession[]> {
    return (await this.#send('GET', `${realm}/users/${userId}/sessions`)) as UserSession[]
  }

  async removeSession(realm: string, sessionId: string, isOffline = false): Promise<void> {
    await this.#send('DELETE', `${realm}/sessions/${sessionId}?isOffline=${isOffline}`)
  }

  async logOut(realm: string, userId: string): Promise<void> {
    await this.#send('POST', `${realm}/users/${userId}/logout`)
  }

  async logOutEverybody(realm: string): Promise<void> {
    await this.#send('POST', `${realm}/logout-all`)
  }

  /** With the whole representation, as the admin console does it. */
  async disableUser(realm: string, userId: string): Promise<void> {
    const user = (await this.#send('GET', `${realm}/users/${userId}`)) as object
    await this.#send('PUT', `${realm}/users/${userId}`, { ...user, enabled: false })
  }

  async deleteUser(realm: string, userId: string): Promise<void> {
    await this.#send('DELETE', `${realm}/users/${userId}`)
  }

  async setPassword(realm: string, userId: string, value: string): Promise<void> {
    const credential = { type: 'password', temporary: false, value }
    await this.#send('PUT', `${realm}/users/${userId}/reset-password`, credential)
  }

  async #send(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}/admin/realms/${path}`, {
      method,
      headers: { authorization: `Bearer ${await this.#token()}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  /** A fresh one each time: they live for a minute. */
  async #token(): Promise<string> {
    const response = await fetch(`${this.#url}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...this.#login }),
    })
    const { access_token: token } = (await response.json()) as { access_token?: string }
    if (token === undefined) throw new Error(`Keycloak lets no administrator in: ${response.status}`)
    return token
  }
}

import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'

/** What a platform sends when a session of a user ends, and how it shows that it is the sender. */
export interface WebhookPlatform {
  readonly body: (session: string, user: string) => string
  readonly headers: (body: string) => Record<string, string>
  /** The line of its source that names its credentials, and their file. */
  readonly credentials: { readonly key: 'secretFile' | 'keysFile'; readonly text: string }
  /** The session that its preset derives from that, where it is not the one that was named. */
  readonly sessionOf?: (session: string, user: string) => string
}

export const SECRET = 'a secret that both know'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const jwks = JSON.stringify({
  keys: [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'k-1', use: 'sig' }],
})

const hmac = (body: string) => createHmac('sha256', SECRET).update(body, 'utf8').digest('hex')
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWS in compact form (RFC 7515), put together by hand. */
export function jwt(
  claims: object,
  header: object = { alg: 'RS256', kid: 'k-1' },
  key = rsa.privateKey,
): string {
  const signed = `${base64url(header)}.${base64url(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

export const digest = (body: string, encoding: 'hex' | 'base64') =>
  createHash('sha256').update(body, 'utf8').digest(encoding)
export const nowSeconds = () => Math.floor(Date.now() / 1_000)
const at = () => new Date().toISOString()
const secretFile = { key: 'secretFile', text: `${SECRET}\n` } as const

const keycloak = (session: string, user: string) =>
  JSON.stringify({
    ...{
      uid: `uid-${session}`,
      type: 'access.LOGOUT',
      id: `id-${session}`,
      time: Date.now(),
      realmId: 'r-1',
    },
    ...{ realmName: 'shop', authDetails: { realmId: 'shop', userId: user, sessionId: session }, details: {} },
  })
const auth0Entry = (session: string, user: string) => ({
  log_id: `log-${session}`,
  data: {
    ...{ log_id: `log-${session}`, date: at(), type: 'slo', tenant_name: 'acme', client_id: 'c-1' },
    ...{ user_id: user, details: { session_id: session } },
  },
})
const fusionauth = (_: string, user: string) =>
  JSON.stringify({
    event: {
      ...{ id: `e-${user}`, type: 'jwt.refresh-token.revoke', createInstant: Date.now(), tenantId: 't-1' },
      ...{ userId: user, applicationId: 'app-1', user: { id: user, active: true } },
    },
  })
const fusionauthSession = (_: string, user: string) => `${user}:app-1`

/** By name of the platform, or a form of it, made from what it documents. */
export const webhookPlatforms: Readonly<Record<string, WebhookPlatform>> = {
  keycloak: {
    body: keycloak,
    headers: (body) => ({ 'X-Keycloak-Signature': hmac(body) }),
    credentials: secretFile,
  },
  'keycloak with a JWT': {
    body: keycloak,
    headers: (body) => ({
      Authorization: `Bearer ${jwt({
        ...{
          iss: 'https://login.example.com/realms/shop',
          jti: 'j',
          iat: nowSeconds(),
          exp: nowSeconds() + 300,
        },
        request_body_sha256: digest(body, 'hex'),
      })}`,
    }),
    credentials: { key: 'keysFile', text: jwks },
  },
  auth0: {
    // The last of three entries, as JSON lines.
    body: (session, user) =>
      [auth0Entry('other-1', 'nobody'), auth0Entry('other-2', 'nobody'), auth0Entry(session, user)]
        .map((it) => JSON.stringify(it))
        .join('\n'),
    headers: () => ({ Authorization: SECRET }),
    credentials: secretFile,
  },
  'auth0 with a list': {
    body: (session, user) =>
      JSON.stringify([auth0Entry('other-3', 'nobody'), auth0Entry(session, user)], undefined, 1),
    headers: () => ({ Authorization: `Bearer ${SECRET}` }),
    credentials: secretFile,
  },
  okta: {
    body: (session, user) =>
      JSON.stringify({
        eventType: 'com.okta.event_hook',
        data: {
          events: [
            {
              ...{ uuid: `e-${session}`, published: at(), eventType: 'user.session.end' },
              outcome: { result: 'SUCCESS' },
              actor: { id: user, type: 'User' },
              authenticationContext: { externalSessionId: session, rootSessionId: session },
              target: [],
            },
          ],
        },
      }),
    headers: () => ({ Authorization: SECRET }),
    credentials: secretFile,
  },
  ory: {
    body: (session, user) =>
      JSON.stringify({
        ...{ name: 'SessionRevoked', version: '1', timestamp: at().replace('T', ' ').slice(0, 19) },
        ...{ projectId: 'p', eventAttributes: { SessionID: session, IdentityID: user } },
      }),
    headers: () => ({ Authorization: `Bearer ${SECRET}` }),
    credentials: secretFile,
  },
  wso2: {
    body: (session, user) =>
      JSON.stringify({
        ...{ iss: 'https://idp.example.com/t/acme', jti: `j-${session}`, iat: Date.now(), rci: 'c-1' },
        events: {
          'https://schemas.identity.wso2.org/events/session/event-type/sessionRevoked': {
            ...{ user: { id: user }, tenant: { id: '1', name: 'acme' }, sessions: [{ id: session }] },
          },
        },
      }),
    headers: (body) => ({ 'x-wso2-event-signature': `sha256=${hmac(body)}` }),
    credentials: secretFile,
  },
  zitadel: {
    body: (session, user) =>
      JSON.stringify({
        ...{
          aggregateID: user,
          aggregateType: 'user',
          resourceOwner: 'org-1',
          instanceID: '100',
          version: 'v1',
        },
        ...{ sequence: 12, event_type: 'user.human.signed.out', created_at: at(), userID: user },
        event_payload: { userAgentID: 'a-1', sessionID: session },
      }),
    headers: (body) => {
      const t = nowSeconds()
      return { 'ZITADEL-Signature': `t=${t},v1=${hmac(`${t}.${body}`)}` }
    },
    credentials: secretFile,
  },
  fusionauth: {
    body: fusionauth,
    headers: (body) => ({
      'X-FusionAuth-Signature-JWT': jwt({ request_body_sha256: digest(body, 'base64') }),
    }),
    credentials: { key: 'keysFile', text: pem },
    sessionOf: fusionauthSession,
  },
  'fusionauth with a login': {
    body: fusionauth,
    headers: () => ({ Authorization: `Basic ${Buffer.from('relay:geheim').toString('base64')}` }),
    credentials: { key: 'secretFile', text: `Basic ${Buffer.from('relay:geheim').toString('base64')}\n` },
    sessionOf: fusionauthSession,
  },
}

/** The platform of one of its forms. */
export const platformOf = (form: string) => form.split(' ', 1)[0] as string

import type { Preset } from '../../../../../src/config/mapping-file.ts'

/** A record in the shape that a platform documents, with ids that are made up, and what it becomes. */
export interface Fixture {
  readonly what: string
  readonly value: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly key?: string
  readonly becomes: readonly Readonly<Record<string, unknown>>[]
}

const AT = Date.parse('2026-01-31T09:30:00Z')
const unmapped = [{ kind: 'skipped', reason: 'unmapped' }]

/** As Keycloak 26.7 writes them: test/platforms asks a real one. */
const event = (type: string, more: object = {}) => ({
  ...{
    id: 'e-1',
    time: AT,
    type,
    realmId: 'r-1',
    realmName: 'shop',
    clientId: null,
    userId: 'u-1',
    sessionId: 's-1',
  },
  ...{ ipAddress: null, error: null, details: {} },
  ...more,
})
const admin = (operationType: string, resourcePath: string, more: object = {}) => ({
  ...{ id: 'a-1', time: AT, realmId: 'r-1', realmName: 'shop' },
  authDetails: {
    ...{ realmId: 'r-0', realmName: 'master', clientId: 'k-1', userId: 'adm' },
    ipAddress: '192.0.2.1',
  },
  ...{ resourceType: 'USER', operationType, resourcePath, representation: null, error: null },
  ...{ details: null, resourceTypeAsString: 'USER', resourceId: resourcePath.split('/').at(-1) },
  ...more,
})
const ofClient = (operationType: string, resourcePath: string, attributes: object) =>
  admin(operationType, resourcePath, {
    resourceType: 'CLIENT',
    representation: JSON.stringify({ id: '7d5c', clientId: 'shop-web', attributes }),
  })
const configured = {
  type: 'client-configured',
  issuer: 'shop',
  clientId: 'shop-web',
  settings: { backchannelLogoutUri: 'https://shop.example.com/bcl' },
}
const ended = {
  type: 'session-terminated',
  issuer: 'shop',
  sessionId: 's-1',
  userId: 'u-1',
  occurredAtMs: AT,
}
const out = (reason: string) => ({ type: 'user-signed-out', issuer: 'shop', userId: 'u-1', reason })

const keycloak: readonly Fixture[] = [
  {
    what: 'a logout',
    value: event('LOGOUT', {
      clientId: 'c-1',
      ipAddress: '192.0.2.1',
      details: { redirect_uri: 'https://rp.example' },
    }),
    becomes: [{ ...ended, reason: 'logout' }],
  },
  {
    what: 'a logout whose other fields are empty',
    value: event('LOGOUT', { error: '', clientId: '' }),
    becomes: [{ ...ended, reason: 'logout' }],
  },
  {
    what: 'a logout as a CloudEvent that no header tells of',
    value: { specversion: '1.0', type: 'org.keycloak.event', source: '/', id: 'c', data: event('LOGOUT') },
    becomes: [{ ...ended, reason: 'logout' }],
  },
  ...['u', 'd', 'r'].map((op) => ({
    what: `an old logout in a row that is changed, deleted or read (${op})`,
    value: { ...event('LOGOUT'), __op: op },
    becomes: [{ kind: 'skipped' }],
  })),
  {
    what: 'an old logout in a row of a snapshot, of which a header tells',
    value: event('LOGOUT'),
    headers: { __op: 'r' },
    becomes: [{ kind: 'skipped', reason: 'snapshot' }],
  },
  {
    what: 'a logout by the token of an upstream provider',
    value: event('LOGOUT', { ipAddress: '192.0.2.1', details: null }),
    becomes: [{ ...ended, reason: 'logout' }],
  },
  {
    what: 'a session that its user signs out in the account console',
    value: event('LOGOUT', { clientId: 'account', ipAddress: '192.0.2.1', details: null }),
    becomes: [{ ...ended, reason: 'logout' }],
  },
  {
    what: 'an expired session',
    value: event('USER_SESSION_DELETED', { details: { reason: 'user_session_expired' } }),
    becomes: [{ ...ended, reason: 'expired' }],
  },
  {
    what: 'a remembered session, after the realm remembers none',
    value: event('USER_SESSION_DELETED', { details: { reason: 'invalid_user_session_remember_me' } }),
    becomes: [{ ...ended, reason: 'expired' }],
  },
  {
    what: 'a refresh token that its client gives back',
    value: event('REVOKE_GRANT', { clientId: 'c-1', details: { revoked_client: 'c-1' } }),
    becomes: unmapped,
  },
  {
    what: 'a logout that failed',
    value: event('LOGOUT_ERROR', { error: 'invalid_token' }),
    becomes: unmapped,
  },
  { what: 'a logout with an error', value: event('LOGOUT', { error: 'invalid_token' }), becomes: unmapped },
  {
    what: 'a value in a body, as text',
    value: { body: JSON.stringify(event('LOGOUT')) },
    becomes: [ended],
  },
  { what: 'a value as text', value: JSON.stringify(JSON.stringify(event('LOGOUT'))), becomes: [ended] },
  {
    what: 'a webhook',
    value: {
      ...event('access.LOGOUT'),
      sessionId: undefined,
      userId: undefined,
      authDetails: { realmId: 'shop', userId: 'u-1', sessionId: 's-1' },
    },
    becomes: [ended],
  },
  { what: 'a registration of a user', value: event('REGISTER'), becomes: unmapped },
  {
    what: 'a list of events, as the REST API answers',
    value: [event('LOGOUT'), event('REGISTER'), admin('ACTION', 'users/u-1/logout')],
    becomes: [ended, ...unmapped, out('administrator')],
  },
  {
    what: 'a deleted account',
    value: event('DELETE_ACCOUNT'),
    becomes: [out('deleted')],
  },
  {
    what: 'a lockout for good',
    value: event('USER_DISABLED_BY_PERMANENT_LOCKOUT', {
      sessionId: null,
      details: { reason: 'brute_force_attack detected', num_failures: '2' },
    }),
    becomes: [out('disabled')],
  },
  { what: 'a lockout for a while', value: event('USER_DISABLED_BY_TEMPORARY_LOCKOUT'), becomes: unmapped },
  {
    what: 'a password that its user changed',
    value: event('UPDATE_PASSWORD', { sessionId: null, details: { credential_type: 'password' } }),
    becomes: [out('password')],
  },
  {
    what: 'a credential that its user changed, which is the password',
    value: event('UPDATE_CREDENTIAL', { sessionId: null, details: { credential_type: 'password' } }),
    becomes: [out('password')],
  },
  {
    what: 'a credential that its user changed, which is none',
    value: event('UPDATE_CREDENTIAL', { sessionId: null, details: { credential_type: 'otp' } }),
    becomes: unmapped,
  },
  {
    what: 'a session that its user signs out with the change of the password',
    value: event('LOGOUT', {
      clientId: 'c-1',
      details: { credential_type: 'password', logout_triggered_by_required_action: 'UPDATE_PASSWORD' },
    }),
    becomes: [{ ...ended, reason: 'logout' }],
  },
  {
    what: 'an administrator changes the realm',
    value: admin('UPDATE', '', {
      ...{ resourcePath: null, resourceId: null, resourceType: 'REALM', resourceTypeAsString: 'REALM' },
      representation: '{"id":"r-1","realm":"shop","enabled":false}',
    }),
    becomes: unmapped,
  },
  {
    what: 'an administrator logs a user out',
    value: admin('ACTION', 'users/u-1/logout'),
    becomes: [out('administrator')],
  },
  {
    what: 'an administrator removes a consent',
    value: admin('ACTION', 'users/u-1/consents/logout'),
    becomes: unmapped,
  },
  {
    what: 'an administrator removes a session',
    value: admin('DELETE', 'sessions/s-1', {
      ...{ resourceType: 'USER_SESSION', resourceTypeAsString: 'USER_SESSION' },
      representation: '{"offline":false}',
    }),
    becomes: [{ type: 'session-terminated', issuer: 'shop', sessionId: 's-1', reason: 'administrator' }],
  },
  {
    what: 'an administrator logs everybody out',
    value: admin('ACTION', 'logout-all', {
      ...{ resourceType: 'REALM', resourceTypeAsString: 'REALM' },
      representation: '{}',
    }),
    becomes: unmapped,
  },
  {
    what: 'an administrator removes an offline session',
    value: admin('DELETE', 'sessions/s-1', { representation: '{"offline":true}' }),
    becomes: unmapped,
  },
  {
    what: 'an administrator deletes a user',
    value: admin('DELETE', 'users/u-1', { representation: '{"id":"u-1","username":"alice"}' }),
    becomes: [out('deleted')],
  },
  {
    what: 'an administrator deletes a user, as older versions say it',
    value: admin('DELETE', 'users/u-1', { realmName: undefined, resourceId: undefined, details: undefined }),
    becomes: [{ ...out('deleted'), issuer: 'r-1' }],
  },
  {
    what: 'an administrator removes a group of a user',
    value: admin('DELETE', 'users/u-1/groups/g-1'),
    becomes: unmapped,
  },
  {
    what: 'an administrator disables a user',
    value: admin('UPDATE', 'users/u-1', {
      representation:
        '{"id":"u-1","username":"alice","emailVerified":true,"enabled":false,"requiredActions":[],"notBefore":0}',
    }),
    becomes: [out('disabled')],
  },
  {
    what: 'an administrator changes the name of a user alone',
    value: admin('UPDATE', 'users/u-1', { representation: '{"firstName":"Alice"}' }),
    becomes: unmapped,
  },
  {
    what: 'an administrator changes a user',
    value: admin('UPDATE', 'users/u-1', { representation: '{"id":"u-1","enabled":true}' }),
    becomes: unmapped,
  },
  { what: 'a change of a user that is not stored', value: admin('UPDATE', 'users/u-1'), becomes: unmapped },
  {
    what: 'an administrator sets a password',
    value: admin('ACTION', 'users/u-1/reset-password'),
    becomes: [out('password')],
  },
  {
    what: 'an admin event that failed',
    value: admin('DELETE', 'users/u-1', { error: 'forbidden' }),
    becomes: unmapped,
  },
  {
    what: 'a login',
    value: event('LOGIN', {
      clientId: 'c-1',
      ipAddress: '192.0.2.1',
      details: { auth_method: 'openid-connect', response_type: 'code', code_id: 's-1', username: 'alice' },
    }),
    becomes: [
      {
        type: 'registration',
        issuer: 'shop',
        sessionId: 's-1',
        oidcSessionId: 'c-1',
        clientId: 'c-1',
        userId: 'u-1',
        registeredAtMs: AT,
      },
    ],
  },
  ...['CREATE', 'UPDATE'].map((operation) => ({
    what: `a client with a logout URL: ${operation}`,
    value: ofClient(operation, 'clients/7d5c', { 'backchannel.logout.url': 'https://shop.example.com/bcl' }),
    becomes: [configured],
  })),
  ...[{}, { 'backchannel.logout.url': '' }, { 'backchannel.logout.url': '/bcl' }].map((attributes) => ({
    what: `a client without a logout URL of its own: ${JSON.stringify(attributes)}`,
    value: ofClient('UPDATE', 'clients/7d5c', attributes),
    becomes: unmapped,
  })),
  {
    what: 'a role of a client',
    value: ofClient('CREATE', 'clients/7d5c/roles/admin', {
      'backchannel.logout.url': 'https://shop.example.com/bcl',
    }),
    becomes: unmapped,
  },
  { what: 'a client that is deleted', value: admin('DELETE', 'clients/7d5c'), becomes: unmapped },
  {
    what: 'a login at the account console',
    value: event('LOGIN', { clientId: 'account-console' }),
    becomes: unmapped,
  },
  {
    what: 'a login by the upstream provider, before there is a session',
    value: event('IDENTITY_PROVIDER_FIRST_LOGIN', {
      ...{ clientId: 'c-1', userId: null, sessionId: null },
      details: { identity_provider: 'google', identity_provider_broker_session_id: 'google.x-1' },
    }),
    becomes: unmapped,
  },
]

/** As Debezium 3.6 reads them from PostgreSQL: test/platforms runs one. */
const columns = (event_type: string, payload: unknown) => ({
  ...{ instance_id: '100', aggregate_type: 'session', aggregate_id: 's-1', event_type, sequence: 7 },
  ...{ revision: 1, created_at: '2026-01-31T09:30:00.000000Z', payload: JSON.stringify(payload) },
  ...{ creator: 'u-1', owner: '100', position: { scale: 6, value: 'Bkmru9n4QA==' }, in_tx_order: 1 },
})
const row = (event_type: string, payload: unknown, more: object = {}) => ({
  schema: { type: 'struct', fields: [], optional: false, name: 'zitadel.eventstore.events2.Envelope' },
  payload: {
    before: null,
    after: columns(event_type, payload),
    source: {
      ...{ version: '3.6.1.Final', connector: 'postgresql', name: 'zitadel', ts_ms: AT, snapshot: 'false' },
      ...{ db: 'postgres', schema: 'eventstore', table: 'events2', txId: 822, lsn: 25088568, xmin: null },
    },
    ...{ transaction: null, op: 'c', ts_ms: AT, ts_us: AT * 1_000 },
    ...more,
  },
})
const call = (event_type: string, event_payload: unknown, aggregateID = 'u-1') => ({
  ...{ aggregateID, aggregateType: 'user', resourceOwner: 'org-1', instanceID: '100', version: 'v1' },
  ...{ sequence: 12, event_type, created_at: '2026-01-31T09:30:00Z', userID: 'u-1', event_payload },
})
const registered = {
  oidc_session_id: 'o-1',
  user_id: 'u-1',
  client_id: 'c-1',
  back_channel_logout_uri: 'https://rp.example/bcl',
}
const registration = {
  type: 'registration',
  issuer: '100',
  oidcSessionId: 'o-1',
  clientId: 'c-1',
  userId: 'u-1',
  backchannelLogoutUri: 'https://rp.example/bcl',
}
const signedOut = { type: 'user-signed-out', issuer: '100', userId: 'u-1', occurredAtMs: AT }

const deactivated = (id: string) => ({
  editor: {},
  aggregate: { id, type: { type: 'user' }, resourceOwner: 'org-1' },
  sequence: '12',
  creationDate: '2026-01-31T09:30:00Z',
  payload: {},
  type: { type: 'user.deactivated' },
})

const zitadel: readonly Fixture[] = [
  {
    what: 'a terminated session',
    value: row('session.terminated', {}),
    becomes: [{ type: 'session-terminated', issuer: '100', sessionId: 's-1', occurredAtMs: AT }],
  },
  {
    what: 'a row of few columns',
    value: {
      before: null,
      after: { instance_id: '100', aggregate_id: 's-1', event_type: 'session.terminated', payload: '{}' },
      op: 'c',
      source: {},
    },
    becomes: [{ type: 'session-terminated', issuer: '100', sessionId: 's-1' }],
  },
  {
    what: 'a flattened row',
    value: { ...columns('session.terminated', {}), __op: 'c' },
    becomes: [{ type: 'session-terminated', issuer: '100', sessionId: 's-1', occurredAtMs: AT }],
  },
  {
    what: 'a flattened row of a snapshot',
    value: { ...columns('session.terminated', {}), __op: 'r' },
    becomes: [{ kind: 'skipped', reason: 'snapshot' }],
  },
  {
    what: 'a row that is deleted',
    value: row(
      'session.terminated',
      {},
      {
        op: 'd',
        before: { event_type: 'session.terminated', instance_id: '100', aggregate_id: 's-1' },
        after: null,
      },
    ),
    becomes: unmapped,
  },
  {
    what: 'a terminated session of a snapshot',
    value: row('session.terminated', {}, { op: 'r' }),
    becomes: [{ kind: 'skipped', reason: 'snapshot' }],
  },
  {
    what: 'its own registration',
    value: row('session_logout.back_channel.registered', registered),
    becomes: [{ ...registration, sessionId: 's-1' }],
  },
  {
    what: 'its own outcome',
    value: row('session_logout.back_channel.sent', { oidc_session_id: 'o-1' }),
    becomes: unmapped,
  },
  {
    what: 'a user that signed out',
    value: call('user.human.signed.out', { userAgentID: 'a-1', sessionID: 's-1' }),
    becomes: [{ ...signedOut, sessionId: 's-1' }],
  },
  {
    what: 'a user that signed out, in base64',
    value: call('user.human.signed.out', Buffer.from('{"sessionID":"s-1"}').toString('base64')),
    becomes: [{ ...signedOut, sessionId: 's-1' }],
  },
  {
    what: 'a registration in base64',
    value: call(
      'session_logout.back_channel.registered',
      Buffer.from(JSON.stringify(registered)).toString('base64'),
      's-1',
    ),
    becomes: [{ ...registration, sessionId: 's-1' }],
  },
  {
    what: 'an event of its Event API',
    value: deactivated('u-1'),
    becomes: [{ type: 'user-signed-out', userId: 'u-1', reason: 'disabled' }],
  },
  {
    what: 'an answer of its Event API',
    value: { events: [deactivated('u-1'), deactivated('u-2')] },
    becomes: ['u-1', 'u-2'].map((userId) => ({ type: 'user-signed-out', userId, reason: 'disabled' })),
  },
  { what: 'a locked user', value: call('user.locked', {}), becomes: [{ ...signedOut, reason: 'disabled' }] },
  { what: 'a removed user', value: call('user.removed', {}), becomes: [{ ...signedOut, reason: 'deleted' }] },
  {
    what: 'a changed password',
    value: call('user.human.password.changed', {}),
    becomes: [{ ...signedOut, reason: 'password' }],
  },
]

const fusion = (type: string, more: object) => ({
  event: { id: 'e-1', type, createInstant: AT, tenantId: 't-1', info: { ipAddress: '192.0.2.1' }, ...more },
})
const user = { id: 'u-1', active: true }
const ofTenant = { type: 'user-signed-out', issuer: 't-1', userId: 'u-1', occurredAtMs: AT }

const fusionauth: readonly Fixture[] = [
  {
    what: 'all tokens of a user',
    value: fusion('jwt.refresh-token.revoke', {
      userId: 'u-1',
      user,
      applicationTimeToLiveInSeconds: { 'app-1': 600 },
    }),
    becomes: [{ ...ofTenant, reason: 'logout' }],
  },
  {
    what: 'the tokens of a user at an application',
    value: fusion('jwt.refresh-token.revoke', { userId: 'u-1', applicationId: 'app-1' }),
    becomes: [{ type: 'session-terminated', issuer: 't-1', sessionId: 'u-1:app-1' }],
  },
  {
    what: 'all tokens of a user, with empty texts, in a list',
    value: [fusion('jwt.refresh-token.revoke', { userId: 'u-1', user, applicationId: '' })],
    becomes: [{ ...ofTenant, reason: 'logout' }],
  },
  {
    what: 'the tokens of an application',
    value: fusion('jwt.refresh-token.revoke', {
      applicationId: 'app-1',
      applicationTimeToLiveInSeconds: { 'app-1': 600 },
    }),
    becomes: unmapped,
  },
  {
    what: 'one token',
    value: fusion('jwt.refresh-token.revoke', {
      userId: 'u-1',
      applicationId: 'app-1',
      refreshToken: { id: 'x', applicationId: 'app-1', userId: 'u-1' },
    }),
    becomes: [{ type: 'session-terminated', sessionId: 'u-1:app-1' }],
  },
  {
    what: 'one token that belongs to no application',
    value: fusion('jwt.refresh-token.revoke', {
      user,
      applicationId: null,
      refreshToken: { id: 'x', userId: 'u-1', applicationId: null },
    }),
    becomes: [{ ...ofTenant, reason: 'logout' }],
  },
  {
    what: 'one token of which only its own fields tell',
    value: fusion('jwt.refresh-token.revoke', {
      refreshToken: { id: 'x', userId: 'u-1', applicationId: 'app-1' },
    }),
    becomes: [{ type: 'session-terminated', sessionId: 'u-1:app-1' }],
  },
  {
    what: 'all tokens of a user, with nulls',
    value: fusion('jwt.refresh-token.revoke', {
      user,
      userId: null,
      applicationId: null,
      refreshToken: null,
    }),
    becomes: [{ ...ofTenant, reason: 'logout' }],
  },
  {
    what: 'a deactivated user',
    value: fusion('user.deactivate', { user }),
    becomes: [{ ...ofTenant, reason: 'disabled' }],
  },
  {
    what: 'a deleted user',
    value: fusion('user.delete.complete', { user }),
    becomes: [{ ...ofTenant, reason: 'deleted' }],
  },
  {
    what: 'a changed password',
    value: fusion('user.password.update', { user }),
    becomes: [{ ...ofTenant, reason: 'password' }],
  },
  {
    what: 'a login',
    value: fusion('user.login.success', { applicationId: 'app-1', user }),
    becomes: [
      {
        type: 'registration',
        issuer: 't-1',
        sessionId: 'u-1:app-1',
        oidcSessionId: 'app-1',
        clientId: 'app-1',
        userId: 'u-1',
        claims: 'sub',
      },
    ],
  },
  { what: 'a test', value: { type: 'test', message: 'hello' }, becomes: unmapped },
]

const set = (type: string, more: object) => ({
  ...{ iss: 'https://idp.example.com/t/acme', jti: 'j-1', iat: AT, rci: 'c-1' },
  events: {
    [`https://schemas.identity.wso2.org/events/${type}`]: {
      user: { id: 'u-1' },
      tenant: { id: '1', name: 'acme' },
      ...more,
    },
  },
})
const ofWso2 = {
  type: 'user-signed-out',
  issuer: 'https://idp.example.com/t/acme',
  userId: 'u-1',
  occurredAtMs: AT,
}

const wso2: readonly Fixture[] = [
  {
    what: 'two sessions',
    value: set('session/event-type/sessionRevoked', { sessions: [{ id: 's-1' }, { id: 's-2' }] }),
    becomes: ['s-1', 's-2'].map((sessionId) => ({
      type: 'session-terminated',
      issuer: ofWso2.issuer,
      sessionId,
      userId: 'u-1',
    })),
  },
  {
    what: 'a disabled user',
    value: set('user/event-type/userDisabled', {}),
    becomes: [{ ...ofWso2, reason: 'disabled' }],
  },
  {
    what: 'a locked user',
    value: set('user/event-type/userAccountLocked', {}),
    becomes: [{ ...ofWso2, reason: 'disabled' }],
  },
  {
    what: 'a deleted user',
    value: set('user/event-type/userDeleted', {}),
    becomes: [{ ...ofWso2, reason: 'deleted' }],
  },
  {
    what: 'a deleted user whose sessions are revoked in the same token',
    value: {
      ...set('user/event-type/userDeleted', {}),
      events: {
        'https://x/sessionRevoked': { user: { id: 'u-1' }, sessions: [{ id: 's-1' }] },
        'https://x/userDeleted': { user: { id: 'u-1' } },
      },
    },
    becomes: [{ ...ofWso2, reason: 'deleted' }],
  },
  {
    what: 'changed credentials',
    value: set('credential/event-type/credentialUpdated', {}),
    becomes: [{ ...ofWso2, reason: 'password' }],
  },
  {
    what: 'another event beside it, of another user',
    value: {
      ...set('user/event-type/userDisabled', {}),
      events: {
        'https://x/other': { user: { id: 'other' } },
        'https://x/userDisabled': { user: { id: 'u-1' } },
      },
    },
    becomes: [{ ...ofWso2, reason: 'disabled' }],
  },
  { what: 'a login', value: set('login/event-type/loginSuccess', {}), becomes: unmapped },
]

const log = (type: string, more: object = {}) => ({
  log_id: 'l-1',
  data: {
    log_id: 'l-1',
    date: '2026-01-31T09:30:00.000Z',
    type,
    tenant_name: 'acme',
    client_id: 'c-1',
    user_id: 'auth0|1',
    ...more,
  },
})

const auth0: readonly Fixture[] = [
  {
    what: 'a logout',
    value: log('slo', { details: { session_id: 's-1' } }),
    becomes: [
      { type: 'session-terminated', issuer: 'acme', sessionId: 's-1', userId: 'auth0|1', occurredAtMs: AT },
    ],
  },
  {
    what: 'a logout without its wrapping',
    value: log('slo', { details: { session_id: 's-1' } }).data,
    becomes: [{ type: 'session-terminated', sessionId: 's-1' }],
  },
  {
    what: 'a deleted user',
    value: log('sdu'),
    becomes: [{ type: 'user-signed-out', userId: 'auth0|1', reason: 'deleted' }],
  },
  {
    what: 'a changed password',
    value: log('scp'),
    becomes: [{ type: 'user-signed-out', userId: 'auth0|1', reason: 'password' }],
  },
  {
    what: 'a login with its session',
    value: log('s', { details: { session_id: 's-1' } }),
    becomes: [{ type: 'registration', sessionId: 's-1', clientId: 'c-1', oidcSessionId: 'c-1' }],
  },
  { what: 'a login without its session', value: log('s'), becomes: unmapped },
  {
    what: 'a failed back-channel logout',
    value: log('oidc_backchannel_logout_failed', { details: { session_id: 's-1' } }),
    becomes: unmapped,
  },
]

const auth0Stream: readonly Fixture[] = [
  {
    what: 'a call with several lines',
    value: [log('slo', { details: { session_id: 's-1' } }), log('fp'), log('sdu')]
      .map((it) => JSON.stringify(it))
      .join('\n'),
    becomes: [
      { type: 'session-terminated', sessionId: 's-1' },
      ...unmapped,
      { type: 'user-signed-out', userId: 'auth0|1' },
    ],
  },
  {
    what: 'a call with a list',
    value: JSON.stringify([log('slo', { details: { session_id: 's-1' } }), log('fp')]),
    becomes: [{ type: 'session-terminated', sessionId: 's-1' }, ...unmapped],
  },
]

const system = (eventType: string, more: object = {}) => ({
  ...{ uuid: 'e-1', published: '2026-01-31T09:30:00.000Z', eventType, outcome: { result: 'SUCCESS' } },
  actor: { id: '00u1', type: 'User', alternateId: 'a@example.com' },
  authenticationContext: { externalSessionId: 'x1', rootSessionId: 'x1' },
  target: [
    { type: 'AppUser', id: 'z' },
    { type: 'AppInstance', id: '0oa' },
    { type: 'User', id: '00u2' },
  ],
  ...more,
})
const okta: readonly Fixture[] = [
  ...['user.authentication.sso', 'user.session.end'].map((type) => ({
    what: `no session that users would share: ${type}`,
    value: system(type, { authenticationContext: { externalSessionId: 'unknown' } }),
    becomes: unmapped,
  })),
  {
    what: 'the end of a session',
    value: system('user.session.end'),
    becomes: [{ type: 'session-terminated', sessionId: 'x1', userId: '00u1', occurredAtMs: AT }],
  },
  {
    what: 'sessions of a user that an administrator clears',
    value: system('user.session.clear'),
    becomes: [{ type: 'user-signed-out', userId: '00u2', reason: 'logout' }],
  },
  {
    what: 'a hook with several events',
    value: {
      eventType: 'com.okta.event_hook',
      data: {
        events: [
          system('user.session.end'),
          system('user.session.start'),
          system('user.session.end', { uuid: 'e-2', authenticationContext: { externalSessionId: 'x2' } }),
        ],
      },
    },
    becomes: [
      { type: 'session-terminated', sessionId: 'x1' },
      ...unmapped,
      { type: 'session-terminated', sessionId: 'x2' },
    ],
  },
  {
    what: 'a list of the System Log, as a job reads it',
    value: [system('user.session.end'), system('user.session.start')],
    becomes: [{ type: 'session-terminated', sessionId: 'x1' }, ...unmapped],
  },
  {
    what: 'a list of hooks',
    value: [
      { data: { events: [system('user.session.end')] } },
      { data: { events: [system('user.session.end')] } },
    ],
    becomes: [1, 2].map(() => ({ type: 'session-terminated', sessionId: 'x1' })),
  },
  {
    what: 'an end of a session that failed',
    value: system('user.session.end', { outcome: { result: 'FAILURE' } }),
    becomes: unmapped,
  },
  {
    what: 'a suspended user, not the administrator',
    value: system('user.lifecycle.suspend'),
    becomes: [{ type: 'user-signed-out', userId: '00u2', reason: 'disabled' }],
  },
  {
    what: 'a login at an application',
    value: system('user.authentication.sso'),
    becomes: [{ type: 'registration', sessionId: 'x1', clientId: '0oa', userId: '00u1', claims: 'sub' }],
  },
  {
    what: 'a changed password',
    value: system('user.account.update_password'),
    becomes: [{ type: 'user-signed-out', userId: '00u2', reason: 'password' }],
  },
]

const updated = (eventAttributes: object) => ({
  name: 'IdentityUpdated',
  timestamp: '2026-01-31 09:30:00',
  projectId: 'p',
  eventAttributes,
})
const ory: readonly Fixture[] = [
  {
    what: 'a revoked session, with a blank in its time',
    value: {
      name: 'SessionRevoked',
      version: '1',
      timestamp: '2026-01-31 09:30:00',
      projectId: 'p',
      eventAttributes: { SessionID: 's-1', IdentityID: 'u-1' },
    },
    becomes: [{ type: 'session-terminated', issuer: 'p', sessionId: 's-1', userId: 'u-1', occurredAtMs: AT }],
  },
  ...[false, 'false'].map((IdentityActive) => ({
    what: `an identity that is deactivated (${typeof IdentityActive})`,
    value: updated({ IdentityID: 'u-1', IdentityActive }),
    becomes: [{ type: 'user-signed-out', issuer: 'p', userId: 'u-1', reason: 'disabled' }],
  })),
  ...[{ IdentityActive: true }, { IdentityActive: 'true' }, {}].map((more) => ({
    what: `an identity that is changed: ${JSON.stringify(more)}`,
    value: updated({ IdentityID: 'u-1', ...more }),
    becomes: unmapped,
  })),
  {
    what: 'a deleted identity',
    value: {
      name: 'IdentityDeleted',
      timestamp: '2026-01-31 09:30:00',
      projectId: 'p',
      eventAttributes: { IdentityID: 'u-1' },
    },
    becomes: [{ type: 'user-signed-out', issuer: 'p', userId: 'u-1', reason: 'deleted' }],
  },
  {
    what: 'an issued session',
    value: { name: 'SessionIssued', projectId: 'p', eventAttributes: { SessionID: 's-1' } },
    becomes: unmapped,
  },
]

export const fixtures: Readonly<Record<Preset, readonly Fixture[]>> = {
  keycloak,
  zitadel,
  fusionauth,
  wso2,
  auth0: [...auth0, ...auth0Stream],
  okta,
  ory,
}

import type { RealmRepresentation } from './keycloak-server.ts'

/** What an RP of the realm `shop` that is a realm itself is called there, and its secret. */
export const BROKER = { clientId: 'partner', secret: 'partner-secret' }
const ALIAS = 'shop'
/** Long enough for a login at two RPs, and nothing to wait for. */
const KIOSK_SESSION_SECONDS = 45

/**
 * A realm as it is made, whose settings are the page's; one whose users come from there, which makes it an RP of the first;
 * and one whose sessions expire. The last two are imported with their settings and with the key that they sign with.
 */
export function testRealms(
  url: string,
  privateKeys: { partner: string; kiosk: string },
): RealmRepresentation[] {
  return [
    { realm: 'shop', enabled: true, ...lockingForGood },
    {
      realm: 'partner',
      ...withListener(privateKeys.partner),
      identityProviders: [upstream(`${url}/realms/shop`)],
    },
    {
      realm: 'kiosk',
      ...withListener(privateKeys.kiosk),
      ssoSessionIdleTimeout: KIOSK_SESSION_SECONDS,
      ssoSessionMaxLifespan: KIOSK_SESSION_SECONDS,
    },
  ]
}

/** After two wrong passwords. */
const lockingForGood = {
  bruteForceProtected: true,
  permanentLockout: true,
  maxTemporaryLockouts: 0,
  failureFactor: 2,
  quickLoginCheckMilliSeconds: 0,
}

/** Where a realm takes the logout tokens of its upstream provider. */
export function brokerLogoutUri(issuer: string): string {
  return `${issuer}/protocol/openid-connect/logout/backchannel-logout`
}

export function brokerRedirectUri(issuer: string): string {
  return `${issuer}/broker/${ALIAS}/endpoint`
}

function withListener(privateKey: string) {
  const config = { privateKey: [privateKey], active: ['true'], enabled: ['true'], priority: ['100'] }
  const key = { name: 'rsa', providerId: 'rsa', subComponents: {}, config }
  return {
    enabled: true,
    eventsListeners: ['jboss-logging', 'kafka'],
    components: { 'org.keycloak.keys.KeyProvider': [key] },
  }
}

function upstream(issuer: string) {
  const endpoint = `${issuer}/protocol/openid-connect`
  return {
    alias: ALIAS,
    providerId: 'oidc',
    enabled: true,
    trustEmail: true,
    config: {
      issuer,
      clientId: BROKER.clientId,
      clientSecret: BROKER.secret,
      clientAuthMethod: 'client_secret_post',
      defaultScope: 'openid profile email',
      authorizationUrl: `${endpoint}/auth`,
      tokenUrl: `${endpoint}/token`,
      userInfoUrl: `${endpoint}/userinfo`,
      jwksUrl: `${endpoint}/certs`,
      useJwksUrl: 'true',
      validateSignature: 'true',
      backchannelSupported: 'true',
      syncMode: 'IMPORT',
    },
  }
}

import type { IntakeVerification } from './intake-file.ts'

/** How a platform shows that a webhook is its own: with a shared secret, or with a key of which the relay has the public half. */
export interface IntakePlatform {
  readonly secret?: IntakeVerification
  readonly keys?: IntakeVerification
  /** How it asks, before it sends anything, whether the address takes its webhooks. */
  readonly challenge?: 'okta' | 'websub'
}

const AUTHORIZATION: IntakeVerification = { kind: 'bearer', header: 'authorization' }

/** As each platform documents it, or its source shows. */
export const intakePlatforms = {
  auth0: { secret: AUTHORIZATION },
  fusionauth: {
    secret: AUTHORIZATION,
    keys: { kind: 'jwt', header: 'x-fusionauth-signature-jwt' },
  },
  /** The extension `keycloak-events` of Phase Two. */
  keycloak: {
    secret: {
      kind: 'hmac',
      headers: ['x-keycloak-signature'],
      algorithm: 'sha256',
      encoding: 'hex',
      prefix: '',
    },
    keys: { kind: 'jwt', header: 'authorization' },
  },
  okta: { secret: AUTHORIZATION, challenge: 'okta' },
  ory: { secret: AUTHORIZATION },
  /** Identity Server names the first header, Asgardeo, which sends through a WebSub hub, the second. */
  wso2: {
    secret: {
      kind: 'hmac',
      headers: ['x-wso2-event-signature', 'x-hub-signature'],
      algorithm: 'sha256',
      encoding: 'hex',
      prefix: 'sha256=',
    },
    challenge: 'websub',
  },
  zitadel: { secret: { kind: 'timestamped-hmac', header: 'zitadel-signature' } },
} as const satisfies Readonly<Record<string, IntakePlatform>>

export type IntakePlatformName = keyof typeof intakePlatforms

import { z } from 'zod'
import { ISSUER_MEANING, identifier, optional } from './identifier.ts'
import { endpoint, rpSettingsSchema } from './read-registration.ts'

/**
 * - `active`: its logouts are sent.
 * - `paused`: they are parked without an attempt, and their deadlines stand still.
 * - `retired`: no new registration is taken, and what is owed ends as `failed: retired`.
 */
export const clientStates = ['active', 'paused', 'retired'] as const
export type ClientState = (typeof clientStates)[number]

interface OfClient {
  readonly issuer: string
  readonly clientId: string
  /** When it was so configured. The latest counts. Milliseconds since the epoch. */
  readonly atMs: number
}

/** What a record says of a client. What it does not name stays as it is. */
export interface ClientConfigured extends OfClient {
  readonly type: 'client-configured'
  readonly settings: ClientFields
  readonly state?: ClientState
}

/** Takes back everything that earlier records say of the client. */
export interface ClientRemoved extends OfClient {
  readonly type: 'client-removed'
}

export type ClientChange = ClientConfigured | ClientRemoved

const fieldsSchema = z.object({
  backchannelLogoutUri: optional(endpoint).describe(
    'Where its logout tokens go: an absolute https (or http) URI without fragment and credentials.',
  ),
  ...rpSettingsSchema.shape,
  sessionRequired: optional(z.boolean()).describe('The RP wants `sid` in every logout token.'),
})

/** Settings of a client as records have them; `typ` is what is asked for, see `ClientPolicy`. */
export type ClientFields = z.infer<typeof fieldsSchema>

export const clientFieldNames = Object.keys(fieldsSchema.shape) as (keyof ClientFields)[]

const clientData = z.object({
  issuer: optional(identifier).describe(ISSUER_MEANING),
  clientId: identifier.describe('`client_id` of the RP.'),
})

export const clientConfiguredData = clientData.extend({
  ...fieldsSchema.shape,
  state: optional(z.enum(clientStates)).describe('Whether its logouts are sent, kept back, or given up.'),
})

export const clientRemovedData = clientData

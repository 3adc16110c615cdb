import { type InputFormat, type InputRecord, inputRecord } from './input-record.ts'
import type { RegistrationInput } from './relay-site.ts'

/** What a platform writes in one format, beside the registrations that it ends; and what every reader of the log must see. */
export interface FormatSample {
  /** In the order of the log. */
  readonly records: readonly InputRecord[]
  /** Ids of the OIDC sessions that are registered. */
  readonly registered: readonly string[]
  /** Those of them that are ended, each with the id of its trigger. */
  readonly ended: Readonly<Record<string, string>>
  /** What is known of clients, by client id: fields of `lr:client`, and the state. */
  readonly clients: Readonly<Record<string, Readonly<Record<string, string>> & { readonly state: string }>>
}

type Registration = (
  ids: Record<'sessionId' | 'oidcSessionId' | 'userId', string>,
) => Omit<RegistrationInput, 'registeredAt'>

/** By the name of its decoder. A format without samples is one that nobody has seen survive the loss of Redis. */
export const formatSamples: Readonly<Record<string, (registration: Registration) => FormatSample>> = {
  'cloudevents-binary': ownWords('cloudevents-binary'),
  'cloudevents-structured': ownWords('cloudevents-structured'),
  'plain-json': ownWords('plain-json'),
}

const settings = { backchannelLogoutUri: 'https://client.example/logout', alg: 'ES256' } as const

/** Records in Avro are read as plain JSON is, once somebody has encoded these. */
export const avroSamples = ownWords('plain-json', 'avro')

/** As a connector writes CloudEvents whose data are text to it: headers in quotes, the value with its schema around it. */
export const connectorSamples = ownWords('cloudevents-binary', 'connector', ({ key, value, headers }) => ({
  key: JSON.stringify(key),
  value: JSON.stringify({ schema: { type: 'string', optional: true }, payload: value }),
  headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, JSON.stringify(text)])),
}))

/** A format that has the words of the relay, each of which ends something. `name`: in their ids. */
function ownWords(
  format: InputFormat,
  name: string = format,
  through: (record: InputRecord) => InputRecord = (it) => it,
): (registration: Registration) => FormatSample {
  const [alive, terminated, signedOut, everywhere, second] = ['alive', 'ended', 'out', 'all', 'all-2'].map(
    (it) => `${name}-${it}`,
  ) as [string, string, string, string, string]
  return (registration) => {
    const registrations = [alive, terminated, signedOut, everywhere, second].map((id) => {
      const userId = id === second ? everywhere : id
      return registration({ sessionId: id, oidcSessionId: id, userId })
    })
    const { issuer } = registrations[0] as RegistrationInput
    const [paused, removed] = [`${name}-paused`, `${name}-removed`]
    return {
      records: [
        ...registrations.map((it) => inputRecord('backchannel-logout-registered', it, { format })),
        inputRecord(
          'session-terminated',
          { issuer, sessionId: terminated },
          { format, id: `t-${terminated}` },
        ),
        inputRecord(
          'user-signed-out',
          { issuer, userId: signedOut, sessionId: signedOut },
          { format, id: `t-${signedOut}` },
        ),
        inputRecord('user-signed-out', { issuer, userId: everywhere }, { format, id: `t-${everywhere}` }),
        ...[paused, removed].map((clientId) =>
          inputRecord('client-configured', { issuer, clientId, state: 'paused', ...settings }, { format }),
        ),
        inputRecord('client-removed', { issuer, clientId: removed }, { format }),
      ].map(through),
      registered: [alive, terminated, signedOut, everywhere, second],
      ended: {
        [terminated]: `t-${terminated}`,
        [signedOut]: `t-${signedOut}`,
        [everywhere]: `t-${everywhere}`,
        [second]: `t-${everywhere}`,
      },
      clients: {
        [paused]: { backchannelLogoutUri: settings.backchannelLogoutUri, alg: 'ES256', state: 'paused' },
        [removed]: { state: 'active' },
      },
    }
  }
}

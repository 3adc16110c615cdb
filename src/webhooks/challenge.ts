import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IntakeSource } from '../config/intake-file.ts'
import { answer } from '../http/bounded-listener.ts'

/** What comes back is printable and short, whoever asks. */
const CHALLENGE = /^[\x21-\x7e]{1,512}$/

/**
 * Answers the question whether this address takes the webhooks of its platform. False where it was not asked, or in another
 * way than this platform asks.
 */
export function answerChallenge(
  { challenge }: IntakeSource,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  switch (challenge) {
    case undefined:
      return false
    case 'okta': {
      const value = request.headers['x-okta-verification-challenge']
      if (typeof value !== 'string' || !CHALLENGE.test(value)) return false
      answer(response, 200, 'application/json', JSON.stringify({ verification: value }))
      return true
    }
    case 'websub': {
      // Nobody else may end the subscription (WebSub §5.3): while the source is configured, it is wanted.
      const [, query = ''] = (request.url ?? '').split('?', 2)
      const parameters = new URLSearchParams(query)
      const value = parameters.get('hub.challenge') ?? ''
      if (parameters.get('hub.mode') !== 'subscribe' || !CHALLENGE.test(value)) return false
      answer(response, 200, 'text/plain', value)
      return true
    }
    default:
      return challenge satisfies never
  }
}

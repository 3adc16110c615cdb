import type { Message } from 'kafkajs'
import { inputRecord } from '../../support/input-record.ts'
import { ISSUER } from '../workload.ts'
import type { Login, Logout, Stated, Step } from './history.ts'
import type { ModelSite } from './model-site.ts'
import type { Written } from './promise.ts'

/** Writes the steps of histories, and keeps the list of what it has written: all that the model ever sees. */
export class ModelWriter {
  readonly written: Written[] = []
  readonly startMs = Date.now()
  readonly #site: ModelSite

  constructor(site: ModelSite) {
    this.#site = site
  }

  /** `isOld`: nobody has read from the topic yet. */
  async write(steps: readonly Step[], isOld = false): Promise<void> {
    const from = Date.now()
    await this.#site.log.publish(
      this.#site.name,
      steps.map((step) => this.message(step)),
    )
    const at = { from, to: Date.now() }
    for (const step of steps) this.written.push({ step, at, isOld })
  }

  message({ what, partition, recordAtMs }: Step): Message {
    const ms = recordAtMs === 'epoch' ? 0 : recordAtMs === undefined ? Date.now() : this.startMs + recordAtMs
    return {
      ...(what.kind === 'noise' ? { key: 'noise', ...what.record } : this.#record(what)),
      ...(partition !== undefined && { partition }),
      timestamp: String(ms),
    }
  }

  #record(what: Login | Logout) {
    const { sessionId, userId } = what
    if (what.kind === 'logout') {
      const time = this.#time(what.stated)
      const ids = { issuer: ISSUER, userId, ...(sessionId !== undefined && { sessionId }) }
      return inputRecord(what.type, ids, { id: what.id, ...(time !== undefined && { time: String(time) }) })
    }
    const { oidcSessionId, clientId, sid, sub, isSubOnly } = what
    const registeredAt = this.#time(what.stated)
    return inputRecord('backchannel-logout-registered', {
      issuer: ISSUER,
      sessionId,
      oidcSessionId,
      clientId,
      userId,
      sid,
      sub,
      backchannelLogoutUri: this.#site.rps.uri(clientId),
      alg: 'ES256',
      ...(isSubOnly && { claims: 'sub' }),
      ...(registeredAt !== undefined && { registeredAt }),
    })
  }

  #time(stated: Stated): string | number | undefined {
    switch (stated.kind) {
      case 'at':
        return new Date(this.startMs + stated.atMs).toISOString()
      case 'absent':
        return undefined
      case 'broken':
        return stated.value
      default:
        return stated satisfies never
    }
  }
}

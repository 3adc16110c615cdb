import { resolve } from 'node:path'
import { type Layout, layout, type Placed } from '../config/config.ts'
import { issuersContentHash, readIssuersFile } from '../config/issuers-file.ts'
import type { EachOption } from '../config/read-each-option.ts'
import type { EgressPolicy } from '../egress/egress-guard.ts'
import type { IssuerSettings } from '../issuers/issuer-settings.ts'
import { Issuers } from '../issuers/issuers.ts'
import { type Clock, systemClock } from '../lib/clock.ts'

const { delivery, issuers } = layout

/** What tells which issuers there are; keys and egress belong to the delivery alone. */
export const issuersLayout = {
  issuers: { file: issuers.file, issuer: issuers.issuer },
  delivery: {
    retry: { deadlineMs: delivery.retry.deadlineMs },
    userSignedOutWithoutSession: delivery.userSignedOutWithoutSession,
  },
} as const satisfies Layout

type IssuersConfig = Placed<typeof issuersLayout> & {
  readonly issuers: { readonly signingKeysFile?: string | undefined }
  readonly egress?: EgressPolicy
}

/** For `serve`, and for the commands that read records as it does. */
export function createIssuers(config: IssuersConfig, clock: Clock): Issuers {
  const { file } = config.issuers
  return new Issuers({
    clock,
    defaults: {
      deadlineMs: config.delivery.retry.deadlineMs,
      signedOutWithoutSession: config.delivery.userSignedOutWithoutSession,
    },
    egress: config.egress ?? { allowHttp: false, allow: [] },
    read: file === undefined ? readOnce(shortForm(config)) : readWhenChanged(file),
  })
}

/** `undefined` where they are configured wrong, which is told elsewhere. */
export async function configuredIssuers(
  configuration: EachOption,
  egress?: EgressPolicy,
): Promise<Issuers | undefined> {
  const config = configuration.part(issuersLayout)
  if (config === undefined) return undefined
  const issuers = createIssuers({ ...config, ...(egress !== undefined && { egress }) }, systemClock)
  try {
    await issuers.open()
    return issuers
  } catch {
    return undefined
  }
}

function shortForm({ issuers: { issuer = '', signingKeysFile = '' } }: IssuersConfig): IssuerSettings {
  return {
    issuer,
    aliases: [],
    isEnabled: true,
    keysFile: resolve(signingKeysFile),
    keysFolder: undefined,
    keysOption: issuers.signingKeysFile,
    egressAllow: [],
    clients: [],
  }
}

function readOnce(settings: IssuerSettings) {
  let isRead = false
  return async () => {
    if (isRead) return undefined
    isRead = true
    return [settings]
  }
}

function readWhenChanged(file: string) {
  let seen: { readonly contentHash: string; readonly fault?: unknown } | undefined
  let changing: string | undefined
  return async () => {
    const contentHash = await issuersContentHash(file)
    // Half of a file that is being written may be valid: a change counts when it is the same at two looks.
    const isWritten = seen === undefined || contentHash === changing
    changing = contentHash
    if (contentHash === seen?.contentHash || !isWritten) {
      if (seen?.fault !== undefined) throw seen.fault
      return undefined
    }
    try {
      const read = await readIssuersFile(file)
      seen = { contentHash: read.contentHash }
      return read.settings
    } catch (fault) {
      seen = { contentHash, fault }
      throw fault
    }
  }
}

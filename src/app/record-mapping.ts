import type { Config } from '../config/config.ts'
import type { MappingFile } from '../config/mapping-file.ts'
import type { RuleUse } from '../diagnosis/facts.ts'
import { cloudEventsBinary } from '../events/decoding/cloudevents-binary.ts'
import { cloudEventsStructured } from '../events/decoding/cloudevents-structured.ts'
import { Decoders, type ResolveIssuer } from '../events/decoding/decode-record.ts'
import { MappingDecoder } from '../events/decoding/mapping/mapping.ts'
import { plainJson } from '../events/decoding/plain-json.ts'
import { systemClock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { SchemaRegistry } from '../schemas/schema-registry.ts'

export interface MappingEvents {
  onMappingReloaded(count: number): void
  /** At every look while the new version is unusable; `failures` counts the looks that ended in the same way. */
  onMappingRefused(error: unknown, failures: number): void
}

/** How records of other formats are read: by rules, as `MAPPING_FILE` has them, and by the schemas of a registry; each if it is configured. */
export class RecordMapping {
  readonly decoder = new MappingDecoder()
  readonly schemas: SchemaRegistry | undefined
  /** Why the file cannot be used as it is now, so that the rules of before stay in force. */
  problem: string | undefined
  readonly #file: string | undefined
  #contentHash = ''
  #changingHash = ''
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor({ mappingFile, schemaRegistry: { url, ...access } }: Config['records']) {
    this.#file = mappingFile
    this.schemas = url === undefined ? undefined : new SchemaRegistry({ ...access, url }, systemClock)
  }

  /** Reads the rules; without a file nothing is loaded that reads them. Throws `LR_MAPPING_INVALID`, which names every problem. */
  async open(): Promise<this> {
    if (this.#file !== undefined) this.#use(await read(this.#file))
    return this
  }

  /** The formats of records, in the order in which they are tried. */
  decoders(resolveIssuer: ResolveIssuer): Decoders {
    const formats = [cloudEventsBinary, this.decoder, cloudEventsStructured, plainJson]
    return new Decoders(resolveIssuer, formats, this.schemas)
  }

  /** What each rule has taken since it was read, whether the record was new or read again. */
  uses(): RuleUse[] {
    const { mappings, taken, untaken } = this.decoder
    return mappings.flatMap((mapping) => {
      const of = { mapping: mapping.topics[0] as string }
      return [
        ...mapping.rules.map((rule) => ({
          ...of,
          rule: rule.name,
          isOfPreset: rule.isOfPreset === true,
          records: taken.get(rule) ?? 0,
        })),
        { ...of, rule: undefined, isOfPreset: false, records: untaken.get(mapping) ?? 0 },
      ]
    })
  }

  /** Looks at the file every `everyMs`. */
  watch(everyMs: number, events: MappingEvents): void {
    const file = this.#file
    if (file === undefined) return
    let failures = 0
    const look = async (): Promise<void> => {
      try {
        const found = await read(file)
        // Half of a file that is being written may be valid: a change counts when it is the same at two looks.
        const isWritten = found.contentHash === this.#changingHash
        this.#changingHash = found.contentHash
        if (found.contentHash !== this.#contentHash && isWritten) {
          this.#use(found)
          events.onMappingReloaded(found.mappings.length)
        }
        if (found.contentHash === this.#contentHash) this.problem = undefined
        failures = 0
      } catch (error) {
        failures = messageOf(error) === this.problem ? failures + 1 : 1
        this.problem = messageOf(error)
        events.onMappingRefused(error, failures)
      }
    }
    const again = (): void => {
      if (this.#isClosed) return
      this.#timer = setTimeout(() => look().finally(again), everyMs)
      this.#timer.unref()
    }
    again()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #use({ mappings, contentHash }: MappingFile): void {
    this.decoder.use(mappings)
    this.#contentHash = contentHash
    this.#changingHash = contentHash
  }
}

async function read(file: string): Promise<MappingFile> {
  const { readMappingFile } = await import('../config/mapping-file.ts')
  return readMappingFile(file)
}

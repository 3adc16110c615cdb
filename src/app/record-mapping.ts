import type { Config } from '../config/config.ts'
import type { MappingFile } from '../config/mapping-file.ts'
import type { RuleUse } from '../diagnosis/facts.ts'
import { cloudEventsBinary } from '../events/decoding/cloudevents-binary.ts'
import { cloudEventsStructured } from '../events/decoding/cloudevents-structured.ts'
import { Decoders, type ResolveIssuer } from '../events/decoding/decode-record.ts'
import { MappingDecoder } from '../events/decoding/mapping/mapping.ts'
import { plainJson } from '../events/decoding/plain-json.ts'
import { systemClock } from '../lib/clock.ts'
import { SchemaRegistry } from '../schemas/schema-registry.ts'
import { WatchedFile } from './watched-file.ts'

export interface MappingEvents {
  onMappingReloaded(count: number): void
  /** At every look while the new version is unusable; `failures` counts the looks that ended in the same way. */
  onMappingRefused(error: unknown, failures: number): void
}

/** How records of other formats are read: by rules, as `MAPPING_FILE` has them, and by the schemas of a registry; each if it is configured. */
export class RecordMapping {
  readonly decoder = new MappingDecoder()
  readonly schemas: SchemaRegistry | undefined
  readonly #file: WatchedFile<MappingFile> | undefined

  constructor({ mappingFile, schemaRegistry: { url, ...access } }: Config['records']) {
    this.schemas = url === undefined ? undefined : new SchemaRegistry({ ...access, url }, systemClock)
    if (mappingFile === undefined) return
    this.#file = new WatchedFile(
      () => read(mappingFile),
      ({ mappings }) => this.decoder.use(mappings),
    )
  }

  /** Why the file cannot be used as it is now, so that the rules of before stay in force. */
  get problem(): string | undefined {
    return this.#file?.problem
  }

  /** Reads the rules; without a file nothing is loaded that reads them. Throws `LR_MAPPING_INVALID`, which names every problem. */
  async open(): Promise<this> {
    await this.#file?.open()
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
    this.#file?.watch(everyMs, {
      onReloaded: ({ mappings }) => events.onMappingReloaded(mappings.length),
      onRefused: (error, failures) => events.onMappingRefused(error, failures),
    })
  }

  close(): void {
    this.#file?.close()
  }
}

async function read(file: string): Promise<MappingFile> {
  const { readMappingFile } = await import('../config/mapping-file.ts')
  return readMappingFile(file)
}

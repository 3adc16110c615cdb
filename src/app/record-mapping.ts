import type { MappingFile } from '../config/mapping-file.ts'
import { cloudEventsBinary } from '../events/decoding/cloudevents-binary.ts'
import { cloudEventsStructured } from '../events/decoding/cloudevents-structured.ts'
import { Decoders, type ResolveIssuer } from '../events/decoding/decode-record.ts'
import { MappingDecoder } from '../events/decoding/mapping/mapping.ts'
import { plainJson } from '../events/decoding/plain-json.ts'
import { WatchedFile } from './watched-file.ts'

export interface MappingEvents {
  onMappingReloaded(count: number): void
  /** At every look while the new version is unusable; `failures` counts the looks that ended in the same way. */
  onMappingRefused(error: unknown, failures: number): void
}

/** The rules for records of other formats, as `MAPPING_FILE` has them; none without the file. */
export class RecordMapping {
  readonly decoder = new MappingDecoder()
  readonly #file: WatchedFile<MappingFile> | undefined

  constructor(file: string | undefined) {
    if (file === undefined) return
    this.#file = new WatchedFile(
      () => read(file),
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
    return new Decoders(resolveIssuer, [cloudEventsBinary, this.decoder, cloudEventsStructured, plainJson])
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

import type { PositionMetadata } from '../intake/record-source.ts'

/** Kafka takes no more than this many bytes, unless it is told otherwise. */
const BYTES_MAX = 4_096

export function metadataText({ start, topicId, recordMs }: PositionMetadata): string {
  return JSON.stringify({ start, topicId, recordMs })
}

/** Nothing is known of a commit without metadata, as older versions and Kafka's tools make them. */
export function readMetadata(text: string | null | undefined): PositionMetadata {
  if (text === null || text === undefined || text.length > BYTES_MAX) return {}
  try {
    const { start, topicId, recordMs } = (JSON.parse(text) ?? {}) as Record<string, unknown>
    return {
      ...(isNatural(start) && { start }),
      ...(isNatural(recordMs) && { recordMs }),
      ...(typeof topicId === 'string' && topicId !== '' && { topicId }),
    }
  } catch {
    return {}
  }
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

import type { PositionMetadata } from '../intake/record-source.ts'

/** Kafka's default limit for metadata. */
const BYTES_MAX = 4_096

export function metadataText({ start, topicId, recordMs, epoch, pattern }: PositionMetadata): string {
  return JSON.stringify({ start, topicId, recordMs, epoch, pattern })
}

/** Empty for a commit without metadata, by an older version or one of Kafka's tools. */
export function readMetadata(text: string | null | undefined): PositionMetadata {
  if (text === null || text === undefined || text.length > BYTES_MAX) return {}
  try {
    const { start, topicId, recordMs, epoch, pattern } = (JSON.parse(text) ?? {}) as Record<string, unknown>
    return {
      ...(isNatural(start) && { start }),
      ...(isNatural(recordMs) && { recordMs }),
      ...(typeof topicId === 'string' && topicId !== '' && { topicId }),
      ...(typeof epoch === 'string' && { epoch }),
      ...(typeof pattern === 'string' && { pattern }),
    }
  } catch {
    return {}
  }
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** What a commit says of its partition beside the offset. */
export interface PositionMetadata {
  /** The offset from which on this group reads everything; what is before was there before the group. */
  readonly start?: number
  /** Of the topic that the offset belongs to; empty when the broker has no ids. */
  readonly topicId?: string
}

/** Kafka takes no more than this many bytes, unless it is told otherwise. */
const BYTES_MAX = 4_096

export function metadataText({ start, topicId }: PositionMetadata): string {
  return JSON.stringify({ start, topicId })
}

/** Nothing is known of a commit without metadata, as older versions and Kafka's tools make them. */
export function readMetadata(text: string | null | undefined): PositionMetadata {
  if (text === null || text === undefined || text.length > BYTES_MAX) return {}
  try {
    const { start, topicId } = (JSON.parse(text) ?? {}) as Record<string, unknown>
    return {
      ...(typeof start === 'number' && Number.isSafeInteger(start) && start >= 0 && { start }),
      ...(typeof topicId === 'string' && topicId !== '' && { topicId }),
    }
  } catch {
    return {}
  }
}

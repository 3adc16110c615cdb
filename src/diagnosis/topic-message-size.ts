import { hint, type Judgement, ok, problem } from './judgement.ts'

/** A letter that was cut to 900,000 bytes, with its key and headers. */
const CUT_LETTER_BYTES = 1_000_000
/** Room for what a dead letter's headers add to the poison record. */
const HEADER_BYTES = 4_096

/** Whether poison fits into the dead-letter topic. Sizes in bytes. */
export function judgeMessageSize(topic: string, max: number, inputMax: number | undefined): Judgement {
  const mend = `set max.message.bytes of ${topic} to ${Math.max(16_777_216, (inputMax ?? 0) + HEADER_BYTES)}`
  if (max < CUT_LETTER_BYTES) {
    return problem(
      `${topic} takes records of at most ${max} bytes: a large poison record does not fit even when it is cut, and its partition stands still behind it`,
      mend,
    )
  }
  if (inputMax !== undefined && max < inputMax + HEADER_BYTES) {
    return hint(
      `${topic} takes records of at most ${max} bytes, the input topics of ${inputMax}: poison that is larger is cut to 900,000 bytes`,
      mend,
    )
  }
  return ok(`${topic} takes records of up to ${max} bytes`)
}

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { pollUntil } from './poll.ts'

const TAIL_BYTES = 2_000
/** What is looked for stands near the start; the log of a long run is larger than the longest string. */
const HEAD_BYTES_MAX = 4 * 1_024 * 1_024
const LOOK_EVERY_MS = 50

/** A line of the relay's log, as far as it is of use here. */
export interface LogLine {
  readonly msg?: string
  readonly [field: string]: unknown
}

/** The end of a program's log, for a person to read. */
export function logTail(file: string): string {
  return readPart(file, (size) => Math.max(size - TAIL_BYTES, 0), TAIL_BYTES)
}

/** The first lines of the log that match, up to those that are still being written. */
export function logLines(file: string, matches: (line: LogLine) => boolean): LogLine[] {
  const lines = readPart(file, () => 0, HEAD_BYTES_MAX)
    .split('\n')
    .slice(0, -1)
  return lines.map(parse).filter(matches)
}

/** Resolves with the first line that matches. */
export async function waitForLogLine(
  file: string,
  matches: (line: LogLine) => boolean,
  timeoutMs: number,
): Promise<LogLine> {
  return pollUntil(() => logLines(file, matches)[0], LOOK_EVERY_MS, timeoutMs, 'a line of the log')
}

function readPart(file: string, startOf: (size: number) => number, lengthMax: number): string {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const start = startOf(size)
    const buffer = Buffer.alloc(Math.min(size - start, lengthMax))
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, start))
  } finally {
    closeSync(descriptor)
  }
}

/** What is not JSON, such as the report of a crash, is a line with `msg` alone. */
function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { msg: text }
  }
}

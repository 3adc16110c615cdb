import { messageOf } from '../../src/lib/errors.ts'

/** Throws the fault of a file that an operator writes on, if each of its problems names its place there; else what is wrong with it. */
export function checkPlaced(error: unknown, file: string): never {
  const isPlaced = (line: string) => line.startsWith(`${file}:`) && /^:\d+: \S/.test(line.slice(file.length))
  const unplaced = messageOf(error)
    .split('\n')
    .filter((line) => !isPlaced(line) && !/^and \d+ further problems$/.test(line))
    .filter((line) => line !== `${file}: is not text in UTF-8`)
  if (unplaced.length === 0) throw error
  throw new Error(`a problem without its place: ${unplaced[0]}`, { cause: error })
}

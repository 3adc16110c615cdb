import { layout } from '../config/config.ts'
import type { EachOption } from '../config/read-each-option.ts'
import type { CheckName } from '../diagnosis/check-names.ts'
import { codeOf, messageOf } from '../lib/errors.ts'

export interface FileProblem {
  readonly check: CheckName
  readonly text: string
  readonly remedy: string
}

const CODES = new Set(['LR_MAPPING_INVALID', 'LR_INTAKE_INVALID'])

/**
 * What a relay would not start with in the files of rules and of sources of webhooks, for `doctor`. Where the options themselves
 * are wrong, that is told elsewhere.
 */
export async function fileProblems(part: EachOption['part']): Promise<readonly FileProblem[]> {
  const mapping = part({ file: layout.records.mappingFile })
  const intake = part({ topics: layout.kafka.topics, file: layout.intake.file })
  const problems: FileProblem[] = []
  const read = async (look: () => Promise<unknown>, about: Omit<FileProblem, 'text'>): Promise<void> => {
    try {
      await look()
    } catch (reason) {
      if (!CODES.has(codeOf(reason) ?? '')) throw reason
      problems.push({ ...about, text: messageOf(reason) })
    }
  }
  if (mapping?.file !== undefined) {
    const { readMappingFile } = await import('../config/mapping-file.ts')
    const { file } = mapping
    const remedy = 'correct MAPPING_FILE: a relay would not start with it'
    await read(async () => readMappingFile(file), { check: 'mapping-file', remedy })
  }
  if (intake?.file !== undefined) {
    const { readIntakeFile } = await import('../config/intake-file.ts')
    const { file, topics } = intake
    const remedy = 'correct INTAKE_FILE, or the file that it names: a relay would not start with it'
    await read(async () => readIntakeFile(file, topics), { check: 'intake-file', remedy })
  }
  return problems
}

import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { readMutants } from '../support/mutants/mutants.ts'
import { SourceTree } from '../support/mutants/source-tree.ts'

test('every slip of `npm run mutants` still finds its place', async () => {
  const tree = new SourceTree(resolve(import.meta.dirname, '../..'))
  await expect(tree.expectAll(readMutants())).resolves.toBeUndefined()
})

import { writeFileSync } from 'node:fs'
import { chartDirectory, madeChartFiles } from './chart-files.ts'

// `npm run chart`: after a change of an option or of a comment in values.yaml, the schema of the chart's values and the
// table in its README follow.
for (const [name, content] of Object.entries(madeChartFiles())) {
  writeFileSync(new URL(name, chartDirectory), content)
}

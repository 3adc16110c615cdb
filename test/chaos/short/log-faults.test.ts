import { logFaults } from '../scenarios.ts'
import { runShortForms } from './run-short-forms.ts'

runShortForms(logFaults)

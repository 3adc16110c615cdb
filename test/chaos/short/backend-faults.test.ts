import { backendFaults } from '../scenarios.ts'
import { runShortForms } from './run-short-forms.ts'

runShortForms(backendFaults)

import { relayFaults } from '../scenarios.ts'
import { runShortForms } from './run-short-forms.ts'

runShortForms(relayFaults)

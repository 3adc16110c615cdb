/*
 * kafkajs with its costly places replaced. Everything here imports the library through this file, because a
 * replacement must be in place before the library's own files ask for the original.
 */
import './kafkajs-replacements.ts'
import kafkajs from 'kafkajs'

export { kafkajs }

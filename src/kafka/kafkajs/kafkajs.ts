/*
 * kafkajs with replacements. All code imports the library through this file, because a replacement must be in place before
 * the library's own files load the original.
 */
import './kafkajs-replacements.ts'
import kafkajs from 'kafkajs'

export { kafkajs }

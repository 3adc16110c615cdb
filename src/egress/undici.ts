/*
 * The two parts of undici in use, imported from their own files: the package's entry loads fetch, WebSocket and a cache as
 * well, nine megabytes that are never used.
 */
export { default as buildConnector } from 'undici/lib/core/connect.js'
export { default as Pool } from 'undici/lib/dispatcher/pool.js'

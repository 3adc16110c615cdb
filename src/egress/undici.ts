/*
 * The two parts of undici that are used, each from its own file: the package's entry loads fetch, WebSocket and a
 * cache as well, nine megabytes that nobody here calls.
 */
export { default as buildConnector } from 'undici/lib/core/connect.js'
export { default as Pool } from 'undici/lib/dispatcher/pool.js'

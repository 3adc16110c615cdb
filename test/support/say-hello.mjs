import process from 'node:process'

process.send?.('hello')
console.log(
  JSON.stringify({ pid: process.pid, arenas: process.env.MALLOC_ARENA_MAX, args: process.argv.slice(2) }),
)
process.disconnect?.()

import { once } from 'node:events'
import { startStack } from './stack.ts'

// Nothing is stopped by a signal that comes earlier, because everything ends with this process anyway.
await using stack = await startStack({ isLongLived: true })
process.stdout.write(`KAFKA_BROKERS=${stack.kafkaBrokers}\nREDIS_URL=${stack.redisUrl}\n`)
process.stderr.write('It runs until Ctrl-C.\n')
// Addresses from outside leave nothing else to wait for.
const keptAlive = setInterval(() => {}, 60_000)
await Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)))
clearInterval(keptAlive)

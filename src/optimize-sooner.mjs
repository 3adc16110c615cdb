/*
 * Preloaded for `serve` (see `npm start`): V8 hands a function to its last compiler after 1,000 calls instead of 3,000, and
 * does without the one in between. What runs once for a trigger or for a batch gets there at the beginning of a mass logout
 * and not in the middle of it, and is compiled once, not twice. In the long run it makes no difference. Set here and not
 * on the command line, where an older Node.js would refuse to start over it before it can be told that it is too old.
 */
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--invocation-count-for-turbofan=1000')
setFlagsFromString('--no-maglev')

/*
 * Ends a Node.js that is too old and says which one is needed, before it fails at an option or an import that it does not
 * know. Plain JavaScript that any Node.js can read.
 */
const NODE_MAJOR_MIN = 24

if (Number(process.versions.node.split('.', 1)[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `logout-relay: error: needs Node.js ${NODE_MAJOR_MIN} or newer; this is ${process.version} (${process.execPath})\n`,
  )
  process.exit(2)
}

// A test process ends with the vitest that started it. One that is killed cannot say so, and what a test holds open would
// keep its process alive for good.
const endWithVitest = (): void => process.exit(1)

// This runs for each test file, and many of them share a process.
const isSet = process.listeners('disconnect').some(({ name }) => name === endWithVitest.name)
if (!isSet) process.once('disconnect', endWithVitest)

// Vitest's own, and an option of the relay by that name.
delete process.env.MODE

// What a test sees must not hang on where it runs: Node draws colours by these, here and in what tests start.
for (const name of ['CI', 'COLORTERM', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'NO_COLOR'])
  delete process.env[name]

// A test process ends with the vitest that started it. One that is killed cannot say so, and what a test holds open would
// keep its process alive for good.
process.once('disconnect', () => process.exit(1))

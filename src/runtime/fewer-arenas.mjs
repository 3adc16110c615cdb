/*
 * Preloaded before everything else (see `npm start`). The threads of V8 get memory from arenas of their own, which keep
 * what is freed in them: some 15 MB under load that nobody uses. How many there are glibc reads from the environment
 * when a process starts, so this one starts once more in its own place: same process id, same arguments, before
 * anything was opened. It goes on as it is elsewhere than on Linux, where somebody has set the number already, and with
 * a channel to its parent, which would not outlive that. Without the dashes Node.js would take an --env-file of the relay
 * for its own.
 */
import process from 'node:process'

const { argv, channel, env, execArgv, execPath, execve, platform } = process

if (platform === 'linux' && execve !== undefined && !env.MALLOC_ARENA_MAX && channel === undefined) {
  execve.call(process, execPath, [execPath, ...execArgv, '--', ...argv.slice(1)], {
    ...env,
    MALLOC_ARENA_MAX: '1',
  })
}

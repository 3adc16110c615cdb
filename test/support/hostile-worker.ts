import { parentPort } from 'node:worker_threads'
import { hostileAnswers } from './hostile-answers.ts'
import { HostileServer } from './hostile-server.ts'

/*
 * The hostile relying parties in a thread of their own, whose memory is not that of the thread that sends to them.
 * Its one message is the URI of each.
 */

const servers = await Promise.all(hostileAnswers.map(({ behaviour }) => HostileServer.plain(behaviour)))
parentPort?.postMessage(servers.map((server) => server.uri()))

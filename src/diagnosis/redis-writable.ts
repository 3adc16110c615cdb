import type { RedisFacts, Refusal } from './facts.ts'
import type { Finding } from './finding.ts'

const check = 'redis-writable'

interface Explanation {
  readonly message: string
  readonly mend: string
}

/** By the first word of the error. */
const explanations: Readonly<Record<string, Explanation>> = {
  READONLY: {
    message: 'Redis is a read-only replica',
    mend: 'let REDIS_URL name the primary, or promote this server',
  },
  MISCONF: {
    message: 'Redis refuses writes because it cannot save its data to disk',
    mend: 'free disk space or mend the permissions of its data directory; its log names the reason',
  },
  OOM: {
    message: 'Redis has reached maxmemory and refuses writes',
    mend: 'raise maxmemory, or remove what else is stored there',
  },
  NOREPLICAS: {
    message: 'Redis refuses writes because too few replicas are connected',
    mend: 'bring its replicas back, or lower min-replicas-to-write',
  },
  NOPERM: {
    message: 'the user of REDIS_URL may not write',
    mend: 'give it the read, write and scripting commands on the keys of the prefix',
  },
  LOADING: { message: 'Redis is still loading its data', mend: 'wait until it has' },
}

/** Without writes no logout can be parked or marked as sent; on a replica that takes them they are lost again. */
export function checkRedisWritable({
  refusedWrite,
  role,
}: Pick<RedisFacts, 'refusedWrite' | 'role'>): Finding[] {
  const master = 'value' in role ? role.value.master : undefined
  if (refusedWrite !== undefined) return [refused(refusedWrite, master)]
  if ('unread' in role || !role.value.isReplica) return []
  return [
    {
      check,
      severity: 'error',
      message: `Redis is a replica${of(master)} that accepts writes: what is written here is lost when it synchronizes`,
      mend: 'let REDIS_URL name the primary, or promote this server',
    },
  ]
}

function refused({ code, message }: Refusal, master: string | undefined): Finding {
  const known = explanations[code]
  return {
    check,
    about: code,
    severity: 'error',
    message:
      `${known?.message ?? 'Redis refuses writes'}${code === 'READONLY' ? of(master) : ''}: ` +
      `nothing can be parked or marked as sent, so nothing is taken up (${message})`,
    mend: known?.mend ?? 'see what Redis says',
  }
}

function of(master: string | undefined): string {
  return master === undefined ? '' : ` of ${master}`
}

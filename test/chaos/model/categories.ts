/** What may go wrong in one history; a history has up to three of them. */
export const historyCategories = {
  answers:
    'an RP answers 503 once or thrice, slowly, 400 once, 401, hangs once, or refuses connections for a while',
  claims: 'an RP that takes `sub` only, and several sessions of one user at it',
  clocks:
    'stated times shifted by an hour, absent, broken, in seconds, or before 2001; dates near the cut-off',
  duplicates: 'records that stand on the topic twice',
  latecomer: 'a registration on the topic after the logout of its session, dated before it',
  late: 'everything is three hours old when it is read',
  poison: 'records in between that cannot be decoded',
  reorder: 'any partition for any record, and any order within a phase',
  reuse: 'a login after the logout under the same session id, with the same or another oidcSessionId',
  triggers: 'two triggers for one session, together or 200 ms apart',
} as const
export type HistoryCategory = keyof typeof historyCategories

/** What may go wrong for all histories of a batch; a batch has one of them. */
export const batchCategories = {
  calm: 'nothing',
  crash: 'SIGKILL of a relay while it delivers',
  failover: 'the endpoint of Redis moves to a replica that lags',
  'first-start': 'the group starts for the first time while users log in, with old logouts on the topic',
  flush: 'FLUSHALL',
  offsets: 'the offsets of the group are deleted while no relay runs',
  pending: 'outcomes are refused by Kafka for a while',
  reload: 'Redis goes back to a state of up to 1.5 s ago, under the same run and on the same connections',
  restart: 'SIGTERM of all relays, records meanwhile, and a new start',
  snapshot: 'Redis killed and started again from an old snapshot',
  transactions: 'transactions aborted, committed, and left open for a while',
} as const
export type BatchCategory = keyof typeof batchCategories

export type Category = HistoryCategory | BatchCategory | 'replicas'

export const replicas = 'two relays instead of one'

export const categories: readonly Category[] = [
  ...(Object.keys(historyCategories) as HistoryCategory[]),
  ...(Object.keys(batchCategories) as BatchCategory[]),
  'replicas',
]

/** What every command ends with; scripts depend on these. */
export const EXIT_CODE = {
  ok: 0,
  /** Something that was asked for did not come about: a delivery failed, a check found an error. */
  failed: 1,
  /** The arguments or the configuration are wrong. */
  usage: 2,
  /** Kafka or Redis could not be reached in time. */
  unreachable: 3,
  interrupted: 130,
} as const

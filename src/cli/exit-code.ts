/** What every command ends with, and what that means; scripts depend on these. */
export const exitCodes = {
  ok: {
    code: 0,
    meaning: 'done; for send --wait, replay and trace: every RP that is meant has been told',
  },
  failed: {
    code: 1,
    meaning:
      'something failed, is still owed or alive, was shadowed only, or was not found; for doctor: an error',
  },
  usage: { code: 2, meaning: 'the arguments or the configuration are wrong' },
  unreachable: { code: 3, meaning: 'Kafka, Redis or the schema registry could not be reached in time' },
  interrupted: { code: 130, meaning: 'interrupted' },
} as const

export const EXIT_CODE = {
  ok: exitCodes.ok.code,
  failed: exitCodes.failed.code,
  usage: exitCodes.usage.code,
  unreachable: exitCodes.unreachable.code,
  interrupted: exitCodes.interrupted.code,
} as const

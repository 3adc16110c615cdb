import { readdirSync, readFileSync } from 'node:fs'

/** The unit of the CPU times in /proc; Linux shows them to user space in hundredths of a second everywhere. */
const TICKS_PER_SECOND = 100

export interface ProcessCost {
  /** User and system time of all threads, since the start of the process. */
  readonly cpuSeconds: number
  /** The largest resident size that the process ever had; summed where it has children. */
  readonly peakRssMb: number
}

/** Throws where there is no /proc: nothing else shows the cost of a process that was not written for the bench. */
export function requireProcessCost(): void {
  if (process.platform !== 'linux')
    throw new Error('the bench reads CPU time and memory from /proc: it needs Linux')
}

/** The cost of a process with all its descendants, and of those that it has already waited for. */
export function readProcessCost(pid: number): ProcessCost {
  const own = readStat(pid)
  let cpuSeconds = own.cpuSeconds
  let peakRssMb = readStatusMb(pid, 'VmHWM')
  for (const child of childrenOf(pid)) {
    const cost = readProcessCost(child)
    cpuSeconds += cost.cpuSeconds
    peakRssMb += cost.peakRssMb
  }
  return { cpuSeconds, peakRssMb }
}

/** The resident size at this moment, without children. */
export function readRssMb(pid: number): number {
  return readStatusMb(pid, 'VmRSS')
}

/** True while the process is stopped by a signal. */
export function isSuspended(pid: number): boolean {
  return readStat(pid).state === 'T'
}

function readStat(pid: number): { state: string; parent: number; cpuSeconds: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may hold blanks: the fields are counted from its end (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { state: fields[0] ?? '', parent: Number(fields[1]), cpuSeconds: ticks / TICKS_PER_SECOND }
}

function readStatusMb(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
  return Number(kibibytes) / 1024
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((candidate) => {
      try {
        return candidate > 0 && readStat(candidate).parent === pid
      } catch {
        // It ended between the listing and the look.
        return false
      }
    })
}

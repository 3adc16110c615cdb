/** Runs `work` while no other process runs work under the same lock file. */
export function withProcessLock<T>(lockFile: string, onWait: () => void, work: () => Promise<T>): Promise<T>

import { runCommand } from './run-command.ts'

let asked: Promise<string | undefined> | undefined

/** What `java -version` prints, which names the build; `undefined` where there is no Java. Asked once. */
export async function javaVersion(): Promise<string | undefined> {
  asked ??= runCommand('java', ['-version']).catch(() => undefined)
  return asked
}

/** 17 for "17.0.15"; 8 for "1.8.0_402". */
export function majorVersion(versionText: string): number {
  const match = /version "(?:1\.)?(\d+)/.exec(versionText)
  return Number(match?.[1] ?? 0)
}

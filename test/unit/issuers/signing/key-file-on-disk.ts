import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A key file in a folder of its own, which goes away at the end of the scope. */
export class KeyFileOnDisk implements Disposable {
  readonly path: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'logout-relay-keys-'))

  constructor(text: string) {
    this.path = join(this.#folder, 'keys')
    this.write(text)
  }

  write(text: string): void {
    writeFileSync(this.path, text)
  }

  remove(): void {
    rmSync(this.path)
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

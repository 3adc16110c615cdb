/** Prints a story as numbered steps with their details indented below them. */
export class Narrator {
  #step = 0
  #hasEnded = false

  say(line = ''): void {
    if (!this.#hasEnded) process.stdout.write(`${line}\n`)
  }

  /** The last line: a story that was interrupted does not go on while its stage is taken down. */
  end(line: string): void {
    this.say(line)
    this.#hasEnded = true
  }

  step(title: string): void {
    this.#step += 1
    this.say(`\n${String(this.#step).padStart(2)}. ${title}`)
  }

  detail(...columns: string[]): void {
    this.say(`      ${columns.join('  ')}`)
  }
}

const BAR = 30;

/** How far something is: a bar on a terminal, and elsewhere a line for every quarter. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  #done = 0;
  #shown = -1;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
    this.#show('');
  }

  advance(by: number, note = ''): void {
    this.#done += by;
    this.#show(note);
  }

  end(): void {
    if (process.stdout.isTTY) process.stdout.write('\n');
  }

  #show(note: string): void {
    const part = Math.min(1, this.#done / this.#total);
    const steps = process.stdout.isTTY ? 100 : 4;
    const step = Math.floor(part * steps);
    if (step === this.#shown) return;
    this.#shown = step;
    const text = `${this.#label} ${String(Math.floor(part * 100)).padStart(3)} %`;
    if (!process.stdout.isTTY) {
      console.log(text);
      return;
    }
    const filled = Math.round(part * BAR);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR - filled);
    // \r and "erase to the end of the line": the bar is drawn over itself.
    process.stdout.write(`\r${bar} ${text} ${note}\u001b[K`);
  }
}

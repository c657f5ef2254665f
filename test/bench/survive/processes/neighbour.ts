import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { program } from './programs.ts';
import { within } from './within.ts';

/** What the neighbour does: uses memory of its own, as fast as it can or so many bytes in a second; or reads a file until it has read so much. */
export type Appetite = { take: number; rate?: number } | { read: number; file: string };

/** The process beside the workers that makes memory short. */
export class Neighbour {
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;

  constructor(appetite: Appetite) {
    const words =
      'take' in appetite
        ? ['take', `${appetite.take}`, `${appetite.rate ?? 0}`]
        : ['read', `${appetite.read}`, appetite.file];
    this.#child = spawn(program('neighbour'), words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin!.on('error', () => {}); // it may have been killed
    this.#gone = once(this.#child, 'exit');
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Milliseconds that its work took; undefined if it died of it. */
  async work(seconds: number): Promise<number | undefined> {
    const lines = createInterface({ input: this.#child.stdout! });
    const line = once(lines, 'line');
    this.#child.stdin!.write('\n');
    const first = await within(seconds, 'the neighbour', Promise.race([line, this.#gone.then(() => [])]));
    const [begin, end] = String(first[0] ?? '')
      .split(' ')
      .map(Number);
    return end === undefined ? undefined : (end - begin!) / 1e6;
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await within(10, 'the end of the neighbour', this.#gone);
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { packageEntry } from '../../harness/paths.ts';
import { workerScript } from './programs.ts';
import { STRIP, STRIPS } from './regions.ts';
import { within } from './within.ts';

export interface Verified {
  /** Units of pinned memory that are spoilt, and of unpinned memory that pin() calls kept. */
  pinned: number;
  untold: number;
  /** Bytes that pin() calls lost. */
  lost: number;
}

/** A Node process on the regions. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  readonly started: Promise<unknown>;

  constructor(fds: readonly number[], seed: number, reclaimer: boolean) {
    const options = {
      entry: pathToFileURL(packageEntry).href,
      regions: fds.length,
      seed,
      reclaimer,
      strips: STRIPS,
      stripBytes: STRIP,
    };
    this.#child = spawn(process.execPath, [workerScript, JSON.stringify(options)], {
      stdio: ['pipe', 'inherit', 'inherit', 'ipc', ...fds],
      env: { ...process.env, NODE_OPTIONS: process.env.SURVIVE_NODE_OPTIONS ?? '' },
    });
    this.#child.stdin!.on('error', () => {}); // it may have been killed
    this.#gone = once(this.#child, 'exit');
    this.started = this.#answer('start', 60);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Has it do one thing; what it answers. Rejects when it has died, or does not answer. */
  async do<T>(act: string, details: object = {}, seconds = 60): Promise<T> {
    const answer = this.#answer(act, seconds);
    this.#child.send({ act, ...details }, () => {}); // that it has died, #answer says
    return (await answer) as T;
  }

  /** Ends a 'block' that was not given a time. */
  release(): void {
    this.#child.stdin!.write('.');
  }

  /** Whether it has the thread that watches memory, and purges. */
  get watches(): boolean {
    const tasks = `/proc/${this.pid}/task`;
    return readdirSync(tasks).some(
      (task) => readFileSync(`${tasks}/${task}/comm`, 'utf8') === 'ashmem-pressure\n',
    );
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await within(10, 'the end of a worker', this.#gone);
  }

  async #answer(what: string, seconds: number): Promise<unknown> {
    const died = this.#gone.then(() => [
      { error: `died (${this.#child.signalCode ?? this.#child.exitCode})` },
    ]);
    const [message] = (await within(
      seconds,
      `worker ${this.pid}: ${what}`,
      Promise.race([once(this.#child, 'message'), died]),
    )) as [{ answer?: unknown; error?: string }];
    if (message.error !== undefined) throw new Error(`worker ${this.pid}: ${what}: ${message.error}`);
    return message.answer;
  }
}

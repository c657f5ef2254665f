import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./cache-child.ts', import.meta.url));

/** test/helpers/cache-child.ts on a cache's fd. */
export class CachePeer {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(fd: number) {
    this.child = spawn(process.execPath, ['--import', 'tsx', script], {
      stdio: ['pipe', 'pipe', 'inherit', fd],
    });
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  /** One that is ready. */
  static async start(fd: number): Promise<CachePeer> {
    const peer = new CachePeer(fd);
    if ((await peer.#answer()) !== 'ready') throw new Error('the process is not ready');
    return peer;
  }

  // biome-ignore lint/suspicious/noExplicitAny: what is answered is for the test to judge
  ask(...words: (string | number)[]): Promise<any> {
    this.child.stdin!.write(`${words.join(' ')}\n`);
    return this.#answer();
  }

  async killed(): Promise<void> {
    if (this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the process has ended');
    return JSON.parse(value);
  }
}

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SharedRegion } from '../../lib/index.ts';
import type { News, Order } from './messages.ts';
import { sum, type Tally } from './tally.ts';

const script = fileURLToPath(new URL('worker.ts', import.meta.url));

/** The workers, as the coordinator sees them. */
export class Crew {
  readonly #workers: ChildProcess[];
  readonly #wanted = new Map<ChildProcess, number>();

  private constructor(workers: ChildProcess[]) {
    this.#workers = workers;
  }

  /** Starts `size` processes. All of them inherit the one file descriptor of `region`, and that is all they need. */
  static async start(size: number, region: SharedRegion, photos: string[]): Promise<Crew> {
    const workers = Array.from({ length: size }, () =>
      fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc', region.fd] }),
    );
    const crew = new Crew(workers);
    try {
      await crew.#all(
        'ready',
        (n) => ({ kind: 'start', photos, seed: n + 1 }),
        () => {},
      );
    } catch (error) {
      crew.dismiss();
      throw error;
    }
    return crew;
  }

  get pids(): number[] {
    return this.#workers.map((worker) => worker.pid!);
  }

  /** What the caches of all workers would take together if each had one of its own. */
  get wanted(): number {
    return [...this.#wanted.values()].reduce((a, b) => a + b, 0);
  }

  /** Shares out `requests` among the workers and waits until all are served. */
  async round(requests: number, onProgress: (requests: number) => void): Promise<Tally> {
    const size = this.#workers.length;
    const share = (n: number) => Math.floor((requests + n) / size);
    return sum(await this.#all('round', (n) => ({ kind: 'round', requests: share(n) }), onProgress));
  }

  dismiss(): void {
    for (const worker of this.#workers) if (worker.connected) worker.disconnect();
  }

  /** Gives every worker its order and waits for all answers. */
  async #all(
    answer: 'ready' | 'round',
    order: (n: number) => Order,
    onProgress: (requests: number) => void,
  ): Promise<Tally[]> {
    const tallies: Tally[] = [];
    const one = (worker: ChildProcess, n: number) =>
      new Promise<void>((resolve, reject) => {
        const settle = (done: () => void) => {
          worker.off('message', onMessage).off('exit', onExit).off('error', onError);
          done();
        };
        const onError = (error: Error) => settle(() => reject(error));
        const onExit = (code: number | null, signal: string | null) =>
          onError(new Error(`worker ${worker.pid} has died (${signal ?? `exit code ${code}`})`));
        const onMessage = (news: News) => {
          if (news.kind === 'failed') onError(new Error(news.message));
          if (news.kind === 'progress') onProgress(news.requests);
          if (news.kind === 'round') {
            tallies.push(news.tally);
            this.#wanted.set(worker, news.wanted);
          }
          if (news.kind === answer) settle(resolve);
        };
        worker.on('message', onMessage).on('exit', onExit).on('error', onError);
        // No callback would mean an 'error' event when the worker is gone already; its 'exit' says more.
        worker.send(order(n), () => {});
      });
    await Promise.all(this.#workers.map(one));
    return tallies;
  }
}

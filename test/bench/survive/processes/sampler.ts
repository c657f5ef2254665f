import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Ground } from '../grounds/ground.ts';
import { program } from './programs.ts';
import { within } from './within.ts';

/** What was seen at one moment; bytes. */
export interface Sample {
  /** Milliseconds of the clock of process.hrtime. */
  at: number;
  used: number;
  available: number;
  kills: number;
  /** Of the regions, what is in memory. */
  resident: number;
}

/** What becomes of the process that reclaims, once it has freed more than `after` bytes. */
export interface Strike {
  how: 'kill' | 'stop';
  after: number;
}

export interface Samples {
  samples: Sample[];
  struck?: { pid: number; at: number };
}

/** Looks at a ground and at the regions about 5000 times a second. */
export class Sampler {
  readonly #child: ChildProcess;
  readonly #chunks: string[] = [];
  readonly #ready: Promise<unknown>;
  readonly #closed: Promise<unknown>;

  constructor(ground: Ground, fds: readonly number[], suspects: readonly number[], strike?: Strike) {
    const words = [ground.kind, ground.folder, fds.length, strike?.how ?? 'none', strike?.after ?? 0];
    this.#child = spawn(program('sampler'), [...words, ...suspects].map(String), {
      stdio: ['pipe', 'pipe', 'inherit', ...fds],
    });
    this.#child.stdin!.on('error', () => {});
    this.#child.stdout!.setEncoding('utf8').on('data', (chunk: string) => this.#chunks.push(chunk));
    this.#ready = once(this.#child.stdout!, 'data');
    this.#closed = once(this.#child, 'close');
  }

  ready(): Promise<unknown> {
    return within(30, 'the sampler', this.#ready);
  }

  async stop(): Promise<Samples> {
    this.#child.stdin!.end();
    await within(30, 'the end of the sampler', this.#closed);
    const result: Samples = { samples: [] };
    for (const line of this.#chunks.join('').split('\n').slice(1, -1)) {
      const words = line.split(' ');
      if (words[0] === 'struck') {
        result.struck = { pid: Number(words[1]), at: Number(words[2]) / 1e6 };
        continue;
      }
      const [at = 0, used = 0, available = 0, kills = 0, resident = 0] = words.map(Number);
      result.samples.push({ at: at / 1e6, used, available, kills, resident });
    }
    return result;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

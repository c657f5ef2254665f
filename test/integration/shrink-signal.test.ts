import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { PurgeEvent } from '../../lib/index.ts';
import { signalNumber } from '../../lib/pressure/shrink-signal.ts';
import { nativeProgram } from '../helpers/native-program.ts';

const MiB = 1 << 20;
const script = fileURLToPath(new URL('../helpers/signal-child.ts', import.meta.url));

interface Outcome {
  purges: PurgeEvent[];
  sources: string[];
  asked: number;
}

/** test/helpers/signal-child.ts */
class Listening {
  readonly child: ChildProcess;
  readonly #signal: number;
  readonly #lines: AsyncIterator<string>;
  readonly exit: Promise<unknown[]>;

  constructor(signal: string, ...args: (string | number)[]) {
    this.#signal = signalNumber(/^\d+$/.test(signal) ? Number(signal) : signal);
    const options = ['--expose-gc', '--import', 'tsx', script];
    this.child = spawn(process.execPath, [...options, signal, ...args.map(String)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.exit = once(this.child, 'exit');
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value;
  }

  async tell(line: string): Promise<string> {
    this.child.stdin!.write(`${line}\n`);
    return this.line();
  }

  /** By sigqueue(3) with that many KiB, or by kill(2). */
  send(kib?: number): void {
    const value = kib === undefined ? [] : [String(kib)];
    const args = [String(this.child.pid), String(this.#signal), ...value];
    expect(spawnSync(nativeProgram('queue_signal'), args).status).to.equal(0);
  }

  /** What has come of the signals, as soon as that is what `expected` says. */
  async comesTo(expected: (outcome: Outcome) => boolean): Promise<Outcome> {
    for (;;) {
      const outcome = JSON.parse(await this.tell('?')) as Outcome;
      if (expected(outcome)) return outcome;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

describe('a shrink signal', () => {
  let listening: Listening;
  const start = async (signal: string, ...args: (string | number)[]) => {
    listening = new Listening(signal, ...args);
    expect(await listening.line()).to.equal('ready');
  };
  afterEach(async () => {
    listening.child.kill('SIGKILL');
    await listening.exit;
  });

  const purged = ({ purges }: Outcome) => purges.reduce((sum, { bytes }) => sum + bytes, 0);

  it('the value is the KiB that unpinned regions give', async () => {
    await start('SIGRTMIN+3', 16, 16);
    listening.send(4096);
    const outcome = await listening.comesTo((outcome) => purged(outcome) > 0);
    expect(outcome.purges.map(({ reason }) => reason)).to.deep.equal(['pressure']);
    // Runs are coarse.
    expect(purged(outcome)).to.be.within(4 * MiB, 8 * MiB);
    expect(outcome.asked).to.equal(0);
  });

  it('shrinkers give what regions cannot, and what several signals ask for is added up', async () => {
    await start('SIGRTMAX-1', 8, 64);
    listening.send(12 * 1024);
    const { asked } = await listening.comesTo((outcome) => outcome.asked > 0);
    // The region's own pin table came to use meanwhile.
    expect(asked).to.be.within(4 * MiB, 4 * MiB + 64 * 1024);
    listening.send(3);
    listening.send(4);
    const outcome = await listening.comesTo(
      (outcome) => outcome.asked === asked + 7 * 1024 && purged(outcome) > 0,
    );
    expect(purged(outcome)).to.equal(8 * MiB);
    expect(outcome.sources[0]).to.equal('medium signal');
  });

  it('0, or kill(2): the level alone, for a while', async () => {
    await start('SIGUSR2', 8, 8);
    for (const kib of [0, undefined]) {
      listening.send(kib);
      const { sources, asked, purges } = await listening.comesTo(
        (outcome) => outcome.sources.at(-1) === 'none',
      );
      expect(sources.slice(-2)).to.deep.equal(['medium signal', 'none']);
      expect([asked, purges]).to.deep.equal([0, []]);
    }
  });

  it('by its number', async () => {
    await start(String(signalNumber('SIGRTMIN+5')), 0, 64);
    listening.send(1);
    await listening.comesTo(({ asked }) => asked === 1024);
  });

  it('is served while the event loop is blocked', async () => {
    await start('SIGRTMIN+3', 16, 0, 'blocked');
    listening.send(16 * 1024);
    const { purged, heard } = JSON.parse(await listening.line());
    expect(purged).to.be.greaterThan(0);
    expect(heard).to.equal(0);
    expect(await listening.exit).to.deep.equal([0, null]);
  });

  it('close(): others listen still', async () => {
    await start('SIGUSR2', 0, 64);
    expect(await listening.tell('close')).to.equal('closed');
    listening.send(1);
    await listening.comesTo(({ asked }) => asked === 1024);
  });

  it('a worker that has ended: the signal is what it was', async () => {
    await start('SIGUSR2', 0, 0, 'worker');
    listening.send(1);
    expect(await listening.tell('terminate')).to.equal('terminated');
    listening.send(1);
    expect(await listening.exit).to.deep.equal([null, 'SIGUSR2']);
  });
});

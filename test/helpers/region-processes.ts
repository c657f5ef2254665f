import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SharedRegion } from '../../lib/index.ts';
import { nativeProgram } from './native-program.ts';

/** A process with a region as fd 3 that says things, a line at a time. */
export class Peer {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exit: Promise<unknown[]>;

  constructor(command: string, args: string[], region: SharedRegion) {
    this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit', region.fd] });
    this.#exit = once(this.child, 'exit');
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.child.pid!;
  }

  async line(): Promise<string | undefined> {
    return (await this.#lines.next()).value;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async exit(): Promise<unknown[]> {
    return this.#exit;
  }

  async killed(): Promise<void> {
    this.kill('SIGKILL');
    await this.exit();
  }

  /** Waits until it has stopped itself: state T in /proc. */
  async stopped(): Promise<void> {
    while (!/^State:\s+[Tt]/m.test(readFileSync(`/proc/${this.pid}/status`, 'utf8'))) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** test/native/region_peer.cc on a region. */
export function nativePeer(region: SharedRegion, ...command: string[]): Peer {
  return new Peer(nativeProgram('region_peer'), ['3', ...command], region);
}

/** test/helpers/region-child.ts on a region. */
export function nodePeer(region: SharedRegion, command: string): Peer {
  const script = fileURLToPath(new URL('./region-child.ts', import.meta.url));
  return new Peer(process.execPath, ['--import', 'tsx', script, command], region);
}

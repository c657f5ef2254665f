import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SharedRegion } from '../../lib/index.ts';
import { nativeProgram } from './native-program.ts';
import type { Requests } from './region-child.ts';

const childScript = fileURLToPath(new URL('./region-child.ts', import.meta.url));

/** A process with a region as fd 3 that says things, a line at a time. */
export class Peer {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exit: Promise<unknown[]>;

  constructor(command: string, args: string[], region: SharedRegion) {
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit', region.fd],
      env: { ...process.env, ASHMEM_COMPAT_TEST_BACKEND: region.backend },
    });
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
  return new Peer(process.execPath, ['--import', 'tsx', childScript, command], region);
}

/** A Node process that calls the methods of its own object on the region when it is asked to. */
export class Remote extends Peer {
  constructor(region: SharedRegion) {
    super(process.execPath, ['--import', 'tsx', childScript, 'obey'], region);
  }

  /** The answer of test/helpers/region-child.ts to `request`; its errors come as their codes. */
  async ask<K extends keyof Requests>(request: K, ...args: Parameters<Requests[K]>) {
    this.child.stdin!.write(`${JSON.stringify([request, ...args])}\n`);
    const line = await this.line();
    if (line === undefined) throw new Error(`the process ended at ${request}`);
    return JSON.parse(line) as ReturnType<Requests[K]>;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ByteRange, PinResult, SharedRegion } from '../../lib/index.ts';
import { nativeProgram } from './native-program.ts';

const childScript = fileURLToPath(new URL('./region-child.ts', import.meta.url));

/** A process with a region, or a pool, as fd 3 that says things, a line at a time. */
export class Peer {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exit: Promise<unknown[]>;

  constructor(command: string, args: string[], region: Pick<SharedRegion, 'fd' | 'backend'>) {
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

/** What test/native/region_peer.cc answers to `obey`, in whole units or bytes as SharedRegion does. */
interface Requests {
  pin(offset?: number, length?: number): { state: PinResult; lost: ByteRange[] };
  unpin(offset?: number, length?: number): 'done';
  purge(offset?: number, length?: number): number;
  pinStatus(offset?: number, length?: number): 'pinned' | 'unpinned';
  fill(value: number, offset?: number, length?: number): 'done';
  /** The values of the bytes in the range. */
  look(offset?: number, length?: number): number[];
  /** The first byte of the range; null if the range cannot be read whole. */
  tryRead(offset?: number, length?: number): number | null;
}

/** A process with an object of its own on the region, which it uses as it is asked to. It is C++, and there at once. */
export class Remote extends Peer {
  readonly #size: number;

  constructor(region: SharedRegion) {
    super(nativeProgram('region_peer'), ['3', 'obey'], region);
    this.#size = region.size;
  }

  /** Sends a request, for the whole region if it says no more. An error comes as its number. */
  async ask<K extends keyof Requests>(
    request: K,
    ...args: Parameters<Requests[K]>
  ): Promise<ReturnType<Requests[K]>> {
    const numbers = (request === 'fill' ? args : [0, ...args]) as number[];
    const [value, offset = 0, length = this.#size - offset] = numbers;
    this.child.stdin!.write(`${request} ${offset} ${length} ${value}\n`);
    const line = await this.line();
    if (line === undefined) throw new Error(`the process ended at ${request}`);
    return JSON.parse(line);
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { nativeProgram } from './native-program.ts';

/** Bytes of anonymous memory, and of a memfd, in a ReclaimPeer; test/native/filled_memory.h. */
export const PEER_EACH = 8 << 20;

/** test/native/reclaim_peer.cc: a process with a file, anonymous memory and a memfd, all filled. */
export class ReclaimPeer {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** Of its mapping of the file. */
  address = 0;
  bytes = 0;

  private constructor() {
    this.child = spawn(nativeProgram('reclaim_peer'), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(): Promise<ReclaimPeer> {
    const peer = new ReclaimPeer();
    const [word, address, bytes] = (await peer.#line()).split(' ');
    if (word !== 'ready') throw new Error(`the peer said ${word}`);
    peer.address = Number(address);
    peer.bytes = Number(bytes);
    return peer;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** How much of its file is in memory, and whether it has all its contents; brings them back. */
  async check(): Promise<{ resident: number; intact: boolean }> {
    this.child.stdin!.write('check\n');
    const [resident, state] = (await this.#line()).split(' ');
    return { resident: Number(resident), intact: state === 'intact' };
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the peer has ended');
    return value;
  }
}

/** Whether this machine can swap now. */
export function hasSwap(): boolean {
  return !/^SwapFree:\s+0 kB/m.test(readFileSync('/proc/meminfo', 'utf8'));
}

/** Why other processes cannot be reclaimed here, or undefined. */
export const cannotReclaimOthers =
  process.getuid?.() === 0 ? undefined : 'reclaiming other processes needs CAP_SYS_NICE';

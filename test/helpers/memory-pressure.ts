import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { totalmem } from 'node:os';
import { createInterface } from 'node:readline';
import { type Backend, SharedRegion } from '../../lib/index.ts';
import { nativeProgram } from './native-program.ts';

/** Why memory must not be made short here; undefined in the virtual machine, where nobody else needs it. */
export function pressureRefused(): string | undefined {
  if (process.env.ASHMEM_COMPAT_VM === '1') return undefined;
  return 'memory is made short in the virtual machine alone (ASHMEM_COMPAT_VM is not 1)';
}

/**
 * A process takes memory step by step until `enough` says so after a step, or until it is the one that the kernel kills for it. Then it
 * gives all of it back. Gives how many MiB it had.
 */
export async function takeMemoryUntil(enough: () => boolean): Promise<number> {
  const refusal = pressureRefused();
  if (refusal) throw new Error(refusal);
  const most = Math.floor(totalmem() / 2 ** 20);
  const hog = spawn(nativeProgram('memory_hog'), [`${most}`], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(hog, 'exit');
  hog.stdin.on('error', () => {}); // it may have been killed before it could read
  const lines = createInterface({ input: hog.stdout })[Symbol.asyncIterator]();
  let taken = 0;
  // With everything taken, each further step gives the kernel a little more time.
  for (let steps = 0; steps < most && !enough(); steps++) {
    hog.stdin.write('\n');
    const line = await lines.next();
    if (line.done) break;
    taken = Number(line.value);
  }
  hog.kill('SIGKILL');
  await gone;
  return taken;
}

/**
 * Makes memory so short that the kernel discards an unpinned region of this backend. False if `stop` ended it before that, or the kernel
 * has killed for memory without discarding.
 */
export async function underPressure(backend: Backend, stop: () => boolean): Promise<boolean> {
  const size = 8 << 20;
  using ballast = SharedRegion.create({ name: 'ballast', size, granularity: size, backend });
  new Uint8Array(ballast.buffer).fill(1);
  ballast.unpin();
  await takeMemoryUntil(() => stop() || ballast.stats().purged > 0);
  return ballast.stats().purged > 0;
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Options } from './options.ts';
import { choose } from './options.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Memory of the guest in MiB, what is done in it before the benchmark begins, and its kernel if it is not the one with ashmem. */
const guests: Record<string, { memory: number; before: string; kernel?: string }> = {
  'memory-high': { memory: 1024, before: 'true' },
  'vrange-cgroup': { memory: 1024, before: 'true', kernel: 'vrange' },
  'vrange-machine': { memory: 1024, before: 'true', kernel: 'vrange' },
  // Termux: neither cgroups nor PSI can be read.
  'mem-available': {
    memory: 768,
    before: 'umount /sys/fs/cgroup; mount -t tmpfs none /proc/pressure',
  },
};

/** Seconds after which a machine is ended. */
const LIMIT = 30 * 60;

async function inVirtualMachine(name: string, { runs, short }: Options): Promise<number> {
  const { memory, before, kernel = 'ashmem' } = guests[name]!;
  const words = [
    '--only',
    name,
    ...(runs === undefined ? [] : ['--runs', `${runs}`]),
    ...(short ? ['--short'] : []),
  ];
  const command = `${before}; exec node --import tsx test/bench/survive/main.ts ${words.join(' ')}`;
  const machine = ['--kernel', kernel, '--memory', `${memory}`, '--timeout', `${LIMIT}`];
  const child = spawn(process.execPath, ['test/vm/run.mjs', ...machine, '--', 'sh', '-c', command], {
    cwd: root,
    stdio: 'inherit',
  });
  process.on('exit', () => child.kill('SIGTERM')); // which ends the machine
  const [status] = await once(child, 'exit');
  return status ?? 1;
}

/** Each scenario in a machine of its own, one after another. The worst of their exit statuses. */
export async function inVirtualMachines(options: Options): Promise<number> {
  const statuses: number[] = [];
  for (const { name } of choose(options.only, true)) statuses.push(await inVirtualMachine(name, options));
  return statuses.find((status) => status !== 0 && status !== 77) ?? Math.max(...statuses);
}

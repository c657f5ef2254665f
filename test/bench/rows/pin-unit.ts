import { readFile } from 'node:fs/promises';
import { output } from '../harness/paths.ts';
import { rounds, run, script } from '../harness/processes.ts';
import { compared, type Result, type Row, single, skipped } from '../harness/results.ts';

const COUNT = 'system calls that it makes';

/** System calls of the log between the two marks, of all threads. */
function between(log: string): number {
  const lines = log.split('\n').filter((line) => !line.includes(' resumed>'));
  const begin = lines.findIndex((line) => line.includes('/ashmem-compat-begin'));
  const end = lines.findIndex((line) => line.includes('/ashmem-compat-end'));
  if (begin < 0 || end < begin) throw new Error('the marks are not in the log of strace');
  return end - begin - 1;
}

/** Without V8's helper threads, which are woken by system calls of the main one whenever there is something to optimize. */
async function systemCalls(pairs: number): Promise<Result> {
  const log = `${output}/strace.log`;
  const { program, args } = script('pin-quiet', pairs);
  try {
    await run({ program: 'strace', args: ['-f', '-o', log, program, '--single-threaded', ...args] });
  } catch (error) {
    return skipped(COUNT, (error as Error).message.split('\n')[0]!.replace(/^spawn /, ''));
  }
  const calls = between(await readFile(log, 'utf8'));
  return single(COUNT, 'calls', [calls], { atMost: 0 }, `counted in ${pairs} pairs`);
}

export const pinUnit: Row = {
  name: 'pin-unit',
  async run({ short }) {
    const { ours, floor } = await rounds(short ? 3 : 11, script('pin-unit', 100_000, short ? 5 : 15));
    const what = 'two empty native calls';
    return [
      compared('pin + unpin of one unit', 'ns', ours!, { what, series: floor! }, { atMost: 4 }),
      await systemCalls(short ? 100_000 : 1_000_000),
    ];
  },
};

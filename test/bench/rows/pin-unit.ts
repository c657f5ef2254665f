import { readFile } from 'node:fs/promises';
import { output } from '../harness/paths.ts';
import { rounds, run, script } from '../harness/processes.ts';
import { compared, type Result, type Row, single, skipped } from '../harness/results.ts';

const COUNT = 'system calls of those pairs';

/** Lines of the log between the two marks, by whether the thread that made the marks made the call. */
function between(log: string): { own: number; others: number } {
  const lines = log.split('\n');
  const begin = lines.findIndex((line) => line.includes('/ashmem-compat-begin'));
  const end = lines.findIndex((line) => line.includes('/ashmem-compat-end'));
  if (begin < 0 || end < begin) throw new Error('the marks are not in the log of strace');
  const thread = lines[begin]!.split(' ', 1)[0];
  const calls = lines.slice(begin + 1, end).filter((line) => !line.includes(' resumed>'));
  const own = calls.filter((line) => line.split(' ', 1)[0] === thread).length;
  return { own, others: calls.length - own };
}

async function systemCalls(pairs: number): Promise<Result> {
  const log = `${output}/strace.log`;
  const { program, args } = script('pin-quiet', pairs);
  try {
    await run({ program: 'strace', args: ['-f', '-o', log, program, ...args] });
  } catch (error) {
    return skipped(COUNT, (error as Error).message.split('\n')[0]!.replace(/^spawn /, ''));
  }
  const { own, others } = between(await readFile(log, 'utf8'));
  const note = `in ${pairs} pairs; Node's other threads made ${others} meanwhile`;
  return single(COUNT, 'calls', [own], { atMost: 0 }, note);
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

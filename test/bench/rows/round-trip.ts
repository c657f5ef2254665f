import { availableParallelism } from 'node:os';
import { type Command, floor, onFirstProcessor, rounds, run, script } from '../harness/processes.ts';
import { compared, type Result, type Row, skipped } from '../harness/results.ts';
import { usocket } from '../harness/usocket.ts';

const PAYLOAD = 64;

/** How many times as fast, as the bar is: the other's time by ours. */
const speed = (ours: number, theirs: number) => theirs / ours;

/** Both ratios of one set of trials. `missing`: why usocket is not among them. */
async function compare(
  where: string,
  count: number,
  commands: Command[],
  missing: string | undefined,
): Promise<Result[]> {
  const { ours, floor, usocket } = await rounds(count, ...commands);
  const what = `fd round trip, ${where}`;
  const than = `usocket against it, ${where}`;
  const base = { what: 'SEQPACKET, blocking', series: floor! };
  const result = compared(what, 'ns', ours!, base, { atMost: 10 });
  if (usocket === undefined) return [result, skipped(than, missing!)];
  const theirs = { what: 'usocket', series: usocket };
  return [result, compared(than, 'ns', ours!, theirs, { atLeast: 2 }, speed)];
}

/** Whether a process can be kept on a processor, counted from 0. */
async function canPin(processor: number): Promise<boolean> {
  try {
    await run({ program: 'taskset', args: ['-c', String(processor), 'true'] });
    return processor < availableParallelism();
  } catch {
    return false;
  }
}

export const roundTrip: Row = {
  name: 'round-trip',
  async run({ short }) {
    const missing = await usocket(!short);
    /** `peer`: the processor of the other process, counted from 1. */
    const commands = (peer: number) => {
      const args = [PAYLOAD, short ? 300 : 1500, short ? 3 : 7, peer] as const;
      const ours = [floor('round-trip', ...args), script('echo', ...args)];
      return missing === undefined ? [...ours, script('usocket-echo', ...args)] : ours;
    };
    const count = short ? 2 : 11;
    if (!(await canPin(0))) return compare('anywhere', count, commands(0), missing);
    const shared = await compare('one processor', count, commands(1).map(onFirstProcessor), missing);
    if (!(await canPin(1))) return shared;
    return [
      ...(await compare('a processor each', count, commands(2).map(onFirstProcessor), missing)),
      ...shared,
    ];
  },
};

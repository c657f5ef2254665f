import { type Command, floor, onOneProcessor, rounds, run, script } from '../harness/processes.ts';
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
  const what = `fd round trip between two processes${where}`;
  const than = `usocket against it${where}`;
  const result = compared(what, 'ns', ours!, { what: 'SEQPACKET, blocking', series: floor! }, { atMost: 10 });
  if (usocket === undefined) return [result, skipped(than, missing!)];
  const theirs = { what: 'usocket', series: usocket };
  return [result, compared(than, 'ns', ours!, theirs, { atLeast: 2 }, speed)];
}

export const roundTrip: Row = {
  name: 'round-trip',
  async run({ short }) {
    const missing = await usocket(!short);
    const args = [PAYLOAD, short ? 500 : 3000, short ? 3 : 7] as const;
    const commands = [floor('round-trip', ...args), script('echo', ...args)];
    if (missing === undefined) commands.push(script('usocket-echo', ...args));
    const results = await compare('', short ? 3 : 15, commands, missing);
    if (short) return results;
    try {
      await run({ program: 'taskset', args: ['-c', '0', 'true'] });
    } catch {
      return [...results, skipped('fd round trip on one processor', 'no taskset')];
    }
    return [...results, ...(await compare(', on one CPU', 11, commands.map(onOneProcessor), missing))];
  },
};

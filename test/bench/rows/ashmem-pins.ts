import { existsSync } from 'node:fs';
import { probe } from '../../../lib/probe.ts';
import { coreTrials } from '../harness/paths.ts';
import { type Command, rounds, script } from '../harness/processes.ts';
import { compared, type Result, type Row, skipped } from '../harness/results.ts';

/** How many times as cheap as the calls. */
const cheaper = (ours: number, calls: number) => calls / ours;

export const ashmemPins: Row = {
  name: 'ashmem-pins',
  withoutFloors: true,
  async run({ short }): Promise<Result[]> {
    const name = 'pin + unpin on ashmem';
    const ashmem = probe().backends.find((backend) => backend.name === 'ashmem');
    if (!ashmem?.available) return [skipped(name, ashmem?.reason ?? 'not known')];
    if (!existsSync(coreTrials)) return [skipped(name, 'not built: npm run build:core')];
    const arguments_ = [short ? 2000 : 20_000, short ? 3 : 7];
    const core: Command = { program: coreTrials, args: arguments_.map(String) };
    const series = await rounds(short ? 1 : 3, core, script('ashmem-pins', ...arguments_));
    const floor = { what: "the driver's PIN + UNPIN", series: series.calls! };
    const line = (what: string, ours: string, bar?: { atLeast: number }) =>
      compared(what, 'ns', series[ours]!, floor, bar, cheaper);
    return [
      line('first pin + last unpin of a unit', 'alone'),
      line('nested pin + unpin', 'nested', { atLeast: 10 }),
      line('pin + unpin, another process holds it', 'beside', { atLeast: 10 }),
      line('nested, from Node', 'nodeNested'),
      line('another process holds it, from Node', 'nodeBeside'),
    ];
  },
};

import { MIB } from '../numbers.ts';
import { repeat } from './repeat.ts';
import type { Scenario } from './scenario.ts';

/** Nobody purges: then somebody must die, or the other scenarios show nothing. */
export const control: Scenario = {
  name: 'control',
  async run(bench) {
    const outcomes = await repeat(bench, 'control', bench.runs(50), () => ({
      neighbour: () => ({ take: 150 * MIB }),
      reclaimer: false,
    }));
    const dead = outcomes.filter(({ kills }) => kills > 0).length;
    return [
      {
        what: 'the same without the reclaimer',
        bar: `${outcomes.length} of ${outcomes.length} die`,
        measured: `${dead} die of an OOM kill`,
        met: dead === outcomes.length,
      },
    ];
  },
};

import { machine } from '../grounds/machine.ts';
import { MIB } from '../numbers.ts';
import { repeat, survivors } from './repeat.ts';
import type { Scenario } from './scenario.ts';

/** No cgroup and no PSI: MemAvailable alone tells, as in Termux. The neighbour wants 100 MiB more than there are. */
export const wholeMachine: Scenario = {
  name: 'mem-available',
  async run(bench) {
    const here = { ...bench, ground: machine };
    const neighbour = (available: number) => ({ take: available + 100 * MIB });
    const outcomes = await repeat(here, 'mem-available', bench.runs(20), () => ({
      neighbour,
      reclaimer: true,
    }));
    const deaths = await repeat(here, 'mem-available-control', Math.min(2, bench.runs(2)), () => ({
      neighbour,
      reclaimer: false,
    }));
    const dead = deaths.filter(({ kills }) => kills > 0).length;
    return [
      survivors('VM: no cgroup, MemAvailable only: neighbour takes all and 100 MiB', outcomes),
      {
        what: 'VM: the same without the reclaimer',
        bar: `${deaths.length} of ${deaths.length} die`,
        measured: `${dead} die of an OOM kill`,
        met: dead === deaths.length,
      },
    ];
  },
};

import { cgroupV2 } from '../grounds/cgroup-v2.ts';
import { MIB } from '../numbers.ts';
import { repeat, survivors } from './repeat.ts';
import type { Scenario } from './scenario.ts';

const LIMIT = 256 * MIB;
const HIGH = 240 * MIB;

/** cgroup v2, which slows down whoever allocates beyond memory.high. The control has a hard limit alone: slowed down, it takes minutes to die. */
export const high: Scenario = {
  name: 'memory-high',
  async run(bench) {
    const neighbour = () => ({ take: 150 * MIB });
    const slowed = { ...bench, ground: () => cgroupV2(LIMIT, HIGH) };
    const outcomes = await repeat(slowed, 'memory-high', bench.runs(20), () => ({
      neighbour,
      reclaimer: true,
    }));
    const hard = { ...bench, ground: () => cgroupV2(LIMIT) };
    const deaths = await repeat(hard, 'memory-high-control', Math.min(2, bench.runs(2)), () => ({
      neighbour,
      reclaimer: false,
    }));
    const dead = deaths.filter(({ kills }) => kills > 0).length;
    return [
      survivors('VM: cgroup v2, memory.high 240 MiB: neighbour takes 150 MiB', outcomes),
      {
        what: 'VM: the same without the reclaimer and memory.high',
        bar: `${deaths.length} of ${deaths.length} die`,
        measured: `${dead} die of an OOM kill`,
        met: dead === deaths.length,
      },
    ];
  },
};

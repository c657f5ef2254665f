import { MIB } from '../numbers.ts';
import { repeat, survivors } from './repeat.ts';
import type { Scenario } from './scenario.ts';

export const blocked: Scenario = {
  name: 'blocked',
  async run(bench) {
    const seconds = bench.short ? 2 : 10;
    const outcomes = await repeat(bench, 'blocked', bench.runs(50), () => ({
      neighbour: () => ({ take: 150 * MIB }),
      reclaimer: true,
      block: seconds * 1000,
    }));
    return [survivors(`the same with all event loops busy for ${seconds} s`, outcomes)];
  },
};

import { MIB } from '../numbers.ts';
import { latencies, repeat, survivors } from './repeat.ts';
import type { Scenario } from './scenario.ts';

export const fullSpeed: Scenario = {
  name: 'full-speed',
  async run(bench) {
    const outcomes = await repeat(bench, 'full-speed', bench.runs(50), () => ({
      neighbour: () => ({ take: 150 * MIB }),
      reclaimer: true,
    }));
    bench.latencies.push(...latencies(outcomes));
    bench.watched += outcomes.length;
    return [survivors('neighbour takes 150 MiB at full speed', outcomes)];
  },
};

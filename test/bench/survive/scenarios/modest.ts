import { mediumMark } from '../grounds/ground.ts';
import { MIB, median, mib } from '../numbers.ts';
import { latencies, mibs, repeat, survivors } from './repeat.ts';
import type { Scenario } from './scenario.ts';

const TAKEN = 60 * MIB;

/** A neighbour that needs a little. What is needed: what it takes beyond what was available. */
export const modest: Scenario = {
  name: 'modest',
  async run(bench) {
    const outcomes = await repeat(bench, 'modest', bench.runs(20), () => ({
      neighbour: () => ({ take: TAKEN }),
      reclaimer: true,
      inside: true,
    }));
    bench.latencies.push(...latencies(outcomes));
    bench.watched += outcomes.length;
    const needed = outcomes.map(({ before }) => TAKEN - before);
    const ratios = outcomes.map(({ purged }, i) => purged / needed[i]!);
    const toMark = outcomes.map(({ purged, limit }, i) => purged / (needed[i]! + mediumMark(limit)));
    const lives = survivors('', outcomes);
    return [
      {
        what: 'neighbour takes 60 MiB: purged, by what was needed',
        bar: 'at most 2.0x',
        measured: `${median(ratios).toFixed(2)}x, at most ${Math.max(...ratios).toFixed(2)}x (needed ${mibs(needed)}, ${lives.measured})`,
        met: lives.met! && Math.max(...ratios) <= 2,
        failures: lives.failures!,
      },
      {
        what: '... by what was needed to stay above the watermark',
        bar: '',
        measured: `${median(toMark).toFixed(2)}x, at most ${Math.max(...toMark).toFixed(2)}x (watermark ${mib(mediumMark(outcomes[0]!.limit))})`,
      },
    ];
  },
};

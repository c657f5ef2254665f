import { quantile } from '../numbers.ts';
import type { Scenario } from './scenario.ts';

const what = 'from the watermark to the first byte freed';
const bar = 'p50 ≤ 15 ms, p99 ≤ 50 ms';

/** Of the runs that others have made. */
export const crossing: Scenario = {
  name: 'crossing',
  async run({ latencies, watched: runs }) {
    if (latencies.length === 0) {
      return [{ what, bar, measured: '', skipped: 'it was not crossed in any run of full-speed or modest' }];
    }
    const [p50, p99, worst] = [0.5, 0.99, 1].map((part) => quantile(latencies, part)) as [
      number,
      number,
      number,
    ];
    return [
      {
        what,
        bar,
        measured: `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, at most ${worst.toFixed(1)} ms (in ${latencies.length} of ${runs} runs that crossed it)`,
        met: p50 <= 15 && p99 <= 50,
      },
    ];
  },
};

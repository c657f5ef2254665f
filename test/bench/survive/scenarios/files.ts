import { MIB } from '../numbers.ts';
import { unpinnedBytes } from '../processes/regions.ts';
import { bigFile } from './big-file.ts';
import { repeat, survivors } from './repeat.ts';
import type { Scenario } from './scenario.ts';

const what = 'neighbour reads 2 GiB of files: purged';
const bar = 'at most 10 %';

/** Page cache is what the kernel takes back by itself: no reason to give anything away. */
export const files: Scenario = {
  name: 'files',
  async run(bench) {
    let file: string;
    try {
      file = bigFile();
    } catch (error) {
      return [{ what, bar, measured: '', skipped: (error as Error).message }];
    }
    const bytes = (bench.short ? 1 : 2) * 1024 * MIB;
    const outcomes = await repeat(bench, 'files', bench.runs(3), () => ({
      neighbour: () => ({ read: bytes, file }),
      reclaimer: true,
    }));
    const lives = survivors('', outcomes);
    const worst = Math.max(...outcomes.map(({ purged }) => purged)) / unpinnedBytes;
    return [
      {
        what: bench.short ? what.replace('2', '1') : what,
        bar,
        measured: `at most ${(worst * 100).toFixed(1)} % (${lives.measured})`,
        met: lives.met! && worst <= 0.1,
        failures: lives.failures!,
      },
    ];
  },
};

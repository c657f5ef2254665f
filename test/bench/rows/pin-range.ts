import { floor, rounds, script } from '../harness/processes.ts';
import { compared, type Row } from '../harness/results.ts';

const SIZE = 64 * 2 ** 20;
const UNITS = SIZE / 4096;

export const pinRange: Row = {
  name: 'pin-range',
  async run({ short }) {
    const batches = short ? 3 : 9;
    const series = await rounds(
      short ? 3 : 15,
      floor('pin-words', UNITS, 100, batches),
      script('pin-range', SIZE, 100, batches),
    );
    const base = { what: 'two atomic operations per word', series: series.floor! };
    return [compared('pin + unpin of 64 MiB, per 4 KiB unit', 'ns', series.ours!, base, { atMost: 3 })];
  },
};

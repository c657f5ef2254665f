import { floor, rounds, script } from '../harness/processes.ts';
import { compared, type Row } from '../harness/results.ts';

const SIZE = 256 * 2 ** 20;

/** Of throughput, as the bar is: the floor's time by ours. */
const throughput = (ours: number, floor: number) => floor / ours;

export const purge: Row = {
  name: 'purge',
  async run({ short }) {
    const batches = short ? 2 : 5;
    const what = 'one fallocate(PUNCH_HOLE)';
    const alone = await rounds(
      short ? 3 : 9,
      floor('punch-hole', SIZE, batches, 0),
      script('purge', SIZE, batches, 0),
    );
    const watched = await rounds(
      short ? 1 : 5,
      floor('punch-hole', SIZE, short ? 1 : 3, 3),
      script('purge', SIZE, short ? 1 : 3, 3),
    );
    const base = (series: typeof alone) => ({ what, series: series.floor! });
    return [
      compared('purge of 256 MiB', 'ns', alone.ours!, base(alone), { atLeast: 0.8 }, throughput),
      compared(
        'the same mapped by 3 more processes',
        'ns',
        watched.ours!,
        base(watched),
        undefined,
        throughput,
      ),
    ];
  },
};

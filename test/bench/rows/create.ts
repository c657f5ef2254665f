import { floor, rounds, script } from '../harness/processes.ts';
import { compared, type Result, type Row } from '../harness/results.ts';

export const create: Row = {
  name: 'create',
  async run({ short }) {
    const results: Result[] = [];
    for (const mib of [1, 64]) {
      const args = [mib * 2 ** 20, short ? 100 : 300, short ? 3 : 9] as const;
      const series = await rounds(short ? 3 : 11, floor('create-file', ...args), script('create', ...args));
      const base = { what: 'memfd_create, ftruncate, seal, mmap, munmap, close', series: series.floor! };
      results.push(
        compared(`create, map, close ${mib} MiB`, 'ns', series.ours!, base, { atMost: 4 }),
        // Not a mapping but a JavaScript object on top of one: what the engine takes for it is shown, and has no bar.
        compared(`the same and an ArrayBuffer over it, ${mib} MiB`, 'ns', series.buffered!, base),
      );
    }
    return results;
  },
};

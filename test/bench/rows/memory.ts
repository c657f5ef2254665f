import { rounds, script } from '../harness/processes.ts';
import { type Result, type Row, single } from '../harness/results.ts';

export const memory: Row = {
  name: 'memory',
  async run() {
    const results: Result[] = [];
    for (const mib of [64, 1024]) {
      const size = mib * 2 ** 20;
      const series = await rounds(1, script('memory', size));
      const [control, file] = [series.control![0]!, series.file![0]!];
      const rounding = file - control;
      if (rounding < 0 || rounding >= 65536)
        throw new Error(`the control area of ${file} bytes should be ${control}`);
      const name = mib === 1024 ? '1 GiB' : `${mib} MiB`;
      const note = `${file} bytes, ${rounding} of them padding`;
      results.push(
        single(`pin table of ${name}, bytes per byte`, 'bytes', [file / size], { atMost: 1 / 256 }, note),
        single(`private memory of one more object, ${name}`, 'bytes', series.attached!),
        single(`the same once it has pinned all, ${name}`, 'bytes', series.pinned!),
      );
    }
    return results;
  },
};

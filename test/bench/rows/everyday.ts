import { rounds, script } from '../harness/processes.ts';
import { type Row, single } from '../harness/results.ts';

const names: Record<string, string> = {
  'attach 1 MiB': 'attach and close 1 MiB',
  'attach 64 MiB': 'attach and close 64 MiB',
  'attach 4 GiB': 'attach and close 4 GiB',
  tryRead: 'tryRead of 4 KiB',
  access: 'access of 4 KiB',
  anonymous: "pin + unpin of 64 KiB, scope 'process'",
};

export const everyday: Row = {
  name: 'everyday',
  async run({ short }) {
    const series = await rounds(short ? 2 : 9, script('everyday', short ? 3 : 9));
    return Object.entries(names).map(([name, what]) => single(what, 'ns', series[name]!));
  },
};

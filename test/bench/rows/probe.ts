import { packageCommand } from '../harness/paths.ts';
import { nodeMilliseconds, rounds, script } from '../harness/processes.ts';
import { compared, type Row, single } from '../harness/results.ts';

/** Not under a bar here: doctor's is for where it is needed, and what it tries there is refused in other ways. */
const elsewhere = 'bar 500 ms in the sandbox: npm run test:sandbox -- doctor';

export const probing: Row = {
  name: 'probe',
  withoutFloors: true,
  async run({ short }) {
    const { first, again } = await rounds(short ? 5 : 21, script('probe'));
    const empty: number[] = [];
    const doctor: number[] = [];
    for (let round = 0; round < (short ? 5 : 21); round++) {
      const emptyFirst = round % 2 === 0;
      if (emptyFirst) empty.push(await nodeMilliseconds('-e', '0'));
      doctor.push(await nodeMilliseconds(packageCommand, 'doctor'));
      if (!emptyFirst) empty.push(await nodeMilliseconds('-e', '0'));
    }
    const floor = { what: 'an empty Node program', series: empty };
    return [
      single('the first probe() of a process', 'ns', first!, { atMost: 10e6 }),
      single('another probe()', 'ns', again!),
      { ...compared('doctor, the whole program', 'ms', doctor, floor), note: elsewhere },
    ];
  },
};

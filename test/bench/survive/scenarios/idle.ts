import { readdirSync, readFileSync } from 'node:fs';
import { makeRegions } from '../processes/regions.ts';
import { pause } from '../processes/within.ts';
import { Worker } from '../processes/worker.ts';
import type { Scenario } from './scenario.ts';

/** Milliseconds of processor time that the threads of a process have used: the one that runs JavaScript, and the others. */
function used(pid: number) {
  const sum = { main: 0, others: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const ns = Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    sum[Number(thread) === pid ? 'main' : 'others'] += ns / 1e6;
  }
  return sum;
}

/** A process with regions that does nothing, far from every limit. All its threads but the first are counted. */
export const idle: Scenario = {
  name: 'idle',
  async run({ short }) {
    const seconds = short ? 10 : 60;
    const regions = makeRegions();
    const worker = new Worker(regions.fds, 0, true);
    try {
      await worker.started;
      await worker.do('attach');
      for (const region of regions.fds.keys()) await worker.do('fill', { region, all: true });
      await pause(3000); // Node's own threads are done with what they do at the start
      const before = used(worker.pid);
      await pause(seconds * 1000);
      const after = used(worker.pid);
      const percent = (ms: number) => ms / seconds / 10;
      const others = percent(after.others - before.others);
      return [
        {
          what: `plentiful memory, ${seconds} s: of one core`,
          bar: 'at most 0.3 %',
          measured: `${others.toFixed(3)} %, and ${percent(after.main - before.main).toFixed(3)} % for JavaScript`,
          met: others <= 0.3,
        },
      ];
    } finally {
      regions.close();
      await worker.end();
    }
  },
};

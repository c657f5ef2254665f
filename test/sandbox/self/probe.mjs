// What probe() finds in the sandbox, how long its first call takes, and that it leaves no process behind.

import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { probe } from '../../../dist/index.js';

const begin = performance.now();
const found = probe();
const first = performance.now();
probe();
const second = performance.now();

for (const { name, available, reason } of [...found.backends, ...(found.pressure ?? [])]) {
  console.log(`${available ? 'yes' : 'no '} ${name}: ${reason}`);
}
console.log(
  `probe(): ${(first - begin).toFixed(2)} ms at first, ${(second - first).toFixed(2)} ms again (aim: 10 ms)`,
);

const children = readdirSync('/proc')
  .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  .filter(
    (name) => Number(/\) . (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'latin1'))?.[1]) === process.pid,
  );
const memfd = found.backends.find(({ name }) => name === 'memfd');
if (children.length > 0) throw new Error(`left behind: ${children}`);
if (!memfd?.available) throw new Error('memfd does not work in an app');

// The cache against its like, all in one run. Usage: main.ts [--short] [--json]
// --short: fewer and shorter rounds, for CI. Exit status 1 if a bar is missed, unless --short: there the machine is shared.
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { machine } from '../harness/machine.ts';
import { output } from '../harness/paths.ts';
import { rounds, script } from '../harness/processes.ts';
import { compared, type Result, single } from '../harness/results.ts';
import type { Series } from '../harness/samples.ts';
import { table } from '../harness/table.ts';
import { names } from './stores.ts';

const { values } = parseArgs({
  options: { short: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
const count = values.short ? 1 : 5;
const ms = values.short ? 150 : 1000;
const KIB = 1024;
const sizes = [KIB, 64 * KIB, 4096 * KIB];
const sizeName = (size: number) => (size < 2 ** 20 ? `${size / KIB} KiB` : `${size / 2 ** 20} MiB`);
const results: Result[] = [];
const rateAt: Record<number, Series> = {};
const costAt: Record<number, Series> = {};

/** How many times dearer than ours a get of theirs has to be. */
const bars: Record<string, { atLeast: number }> = { lmdb: { atLeast: 3 }, redis: { atLeast: 20 } };

for (const size of sizes) {
  for (const processes of [1, 2, 4]) {
    const all = await rounds(count, ...names.map((name) => script('cache', name, size, processes, ms)));
    const of = (name: string, what: string) => all[`${name} ${what}`]!;
    const where = `${sizeName(size)}, ${processes} ${processes === 1 ? 'process' : 'processes'}`;
    if (size === 64 * KIB) rateAt[processes] = of('cache', 'rate');
    if (processes === 1) costAt[size] = of('cache', 'cost');
    for (const what of ['p50', 'p99', 'cost'] as const) {
      for (const name of names.slice(1)) {
        const isBar = what === 'cost' && size === 64 * KIB && processes === 1;
        // Of lru-cache our cost in theirs; of the others theirs in ours.
        const row =
          name === 'lru-cache'
            ? compared(
                `get ${where}, ${what}: in lru-cache's`,
                'ns',
                of('cache', what),
                { what: name, series: of(name, what) },
                isBar ? { atMost: 4 } : undefined,
              )
            : compared(
                `get ${where}, ${what}: ${name}'s in ours`,
                'ns',
                of('cache', what),
                { what: name, series: of(name, what) },
                isBar ? bars[name] : undefined,
                (ours, theirs) => theirs / ours,
              );
        results.push(row);
      }
    }
    for (const name of names)
      results.push(single(`gets a second, ${where}: ${name}`, 'calls', of(name, 'rate').map(Math.round)));
  }
}
results.push(
  compared(
    'get 4 MiB: in 64 KiB ones',
    'ns',
    costAt[4096 * KIB]!,
    { what: '64 KiB', series: costAt[64 * KIB]! },
    { atMost: 1.5 },
  ),
  compared(
    '4 processes: gets a second, in those of 1',
    'calls',
    rateAt[4]!,
    { what: '1 process', series: rateAt[1]! },
    { atLeast: 1.8 },
  ),
);

// 128 MiB of values: beside them what a worker's JavaScript takes for itself hardly counts.
const values64 = 2048;
const one = await rounds(
  Math.min(count, 3),
  ...names.map((name) => script('cache', name, 64 * KIB, 1, ms, values64)),
);
const four = await rounds(
  Math.min(count, 3),
  ...names.map((name) => script('cache', name, 64 * KIB, 4, ms, values64)),
);
for (const name of names) {
  const bar = name === 'cache' ? { atMost: 1.15 } : undefined;
  results.push(
    compared(
      `memory of 4 workers, in that of 1: ${name}`,
      'bytes',
      four[`${name} memory`]!,
      { what: '1 worker', series: one[`${name} memory`]! },
      bar,
    ),
  );
}

const keys = values.short ? 50 : 1000;
const mortalKeys = values.short ? 5 : 1000;
const flight = await rounds(1, script('single-flight', keys));
results.push(single(`8 processes, ${keys} missing keys: fills a key`, 'calls', flight.fills!, { atMost: 1 }));
const mortal = await rounds(1, script('single-flight', mortalKeys, 'mortal'));
results.push(
  single(`the same, ${mortalKeys} keys, with the filler killed: fills a key`, 'calls', mortal.fills!, {
    atMost: 2,
  }),
);
results.push(single('the same: the longest wait', 'ms', mortal.longest!, { atMost: 1000 }));

const report = { machine: machine(), short: values.short, results };
await mkdir(output, { recursive: true });
await writeFile(`${output}/cache.json`, `${JSON.stringify(report, undefined, 2)}\n`);
console.log(values.json ? JSON.stringify(report) : table(results));
const missed = results.filter(({ bar }) => bar && !bar.met);
const barred = results.filter(({ bar }) => bar).length;
console.error(`${barred - missed.length} of ${barred} bars met`);
if (missed.length > 0 && !values.short) process.exitCode = 1;

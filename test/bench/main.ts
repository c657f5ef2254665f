// npm run bench [-- --short] [-- --only NAME]: measures what docs/benchmarks.md describes. Exits with 0 also when a bar is missed.

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { buildFloors } from './harness/build-floors.ts';
import { machine } from './harness/machine.ts';
import { output, packageEntry } from './harness/paths.ts';
import type { Result } from './harness/results.ts';
import { table } from './harness/table.ts';
import { rows } from './rows/index.ts';

function options() {
  const { values } = parseArgs({ options: { short: { type: 'boolean' }, only: { type: 'string' } } });
  const chosen = rows.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) {
    throw new Error(
      `--only must be one of ${rows.map(({ name }) => name).join(', ')}, received ${values.only}`,
    );
  }
  return { short: values.short ?? false, chosen };
}

async function main() {
  const { short, chosen } = options();
  if (!existsSync(packageEntry)) throw new Error('dist/ is missing: run npm run build first');
  if (chosen.some(({ withoutFloors }) => !withoutFloors)) await buildFloors();

  const results: (Result & { row: string })[] = [];
  for (const { name, run } of chosen) {
    process.stderr.write(`${name} ...`);
    const start = performance.now();
    for (const result of await run({ short })) results.push({ row: name, ...result });
    process.stderr.write(` ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  }

  const about = machine();
  console.log(
    `${about.cpu}, ${about.cpus} CPUs, ${about.memoryGiB} GiB · ${about.kernel} ${about.arch} · Node ${about.node} · ${about.date}${short ? ' · short' : ''}\n`,
  );
  console.log(table(results));
  await mkdir(output, { recursive: true });
  await writeFile(
    `${output}/results.json`,
    `${JSON.stringify({ machine: about, short, results }, null, 2)}\n`,
  );
  console.log('\nAlso in build/bench/results.json.');
}

await main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});

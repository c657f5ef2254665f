// Purges a region that is filled and unpinned. Arguments: bytes, batches, other processes that map it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { now, report } from './measure.ts';
import { SharedRegion } from './package.ts';

const [size = 0, batches = 0, others = 0] = process.argv.slice(2).map(Number);
const region = SharedRegion.create({ size, granularity: 4096 });
const bytes = new Uint8Array(region.buffer);

async function onlooker(): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('onlooker.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program], {
    stdio: ['ignore', 'ignore', 'inherit', region.fd, 'ipc'],
  });
  await once(child, 'message');
  return child;
}

const onlookers = await Promise.all(Array.from({ length: others }, onlooker));
const samples: number[] = [];
region.unpin();
for (let batch = 0; batch <= batches; batch++) {
  region.pin();
  bytes.fill(1);
  region.unpin();
  for (const child of onlookers) {
    child.send('look');
    await once(child, 'message');
  }
  const start = now();
  const purged = region.purge();
  if (batch > 0) samples.push(now() - start);
  if (purged !== size) throw new Error(`purged ${purged} of ${size} bytes`);
}
for (const child of onlookers) child.disconnect();
report({ ours: samples });

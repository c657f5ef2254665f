// Calls without a bar. Argument: batches.

import { MiB, measure, measureWithCleanup, report } from './measure.ts';
import { SharedRegion } from './package.ts';

const batches = Number(process.argv[2]);
const PAGE = 4096;

async function attach(size: number): Promise<number[]> {
  const region = SharedRegion.create({ size });
  const samples = await measureWithCleanup(batches, 100, (count) => {
    for (let i = 0; i < count; i++) SharedRegion.fromFd(region.fd).close();
  });
  region.close();
  return samples;
}

const region = SharedRegion.create({ size: MiB });
new Uint8Array(region.buffer).fill(1);
let sum = 0;
const first = (bytes: Uint8Array) => bytes[0]!;

function tryRead(count: number): void {
  for (let i = 0; i < count; i++) sum += region.tryRead(PAGE, PAGE, first) ?? 0;
}
function access(count: number): void {
  for (let i = 0; i < count; i++) sum += region.access(PAGE, PAGE, first);
}

const alone = SharedRegion.create({ size: MiB, scope: 'process' });
new Uint8Array(alone.buffer).fill(1);
alone.unpin();
function anonymousPairs(count: number): void {
  for (let i = 0; i < count; i++) {
    alone.pin(65536, 65536);
    alone.unpin(65536, 65536);
  }
}

report({
  'attach 1 MiB': await attach(MiB),
  'attach 64 MiB': await attach(64 * MiB),
  'attach 4 GiB': await attach(4096 * MiB),
  tryRead: measure(batches, 20_000, tryRead),
  access: measure(batches, 20_000, access),
  anonymous: measure(batches, 2000, anonymousPairs),
});
if (sum === 0) throw new Error('read nothing');

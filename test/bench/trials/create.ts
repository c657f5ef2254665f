// create, map, close. Arguments: bytes, rounds per batch, batches.

import { measureWithCleanup, report } from './measure.ts';
import { SharedRegion } from './package.ts';

const [size = 0, rounds = 0, batches = 0] = process.argv.slice(2).map(Number);

let fds = 0;
const plain = await measureWithCleanup(batches, rounds, (count) => {
  for (let i = 0; i < count; i++) {
    const region = SharedRegion.create({ size });
    fds += region.fd;
    region.close();
  }
});

let bytes = 0;
const buffered = await measureWithCleanup(batches, rounds, (count) => {
  for (let i = 0; i < count; i++) {
    const region = SharedRegion.create({ size });
    bytes += region.buffer.byteLength;
    region.close();
  }
});

if (fds < 0 || bytes < size) throw new Error('no regions');
report({ ours: plain, buffered });

// pin + unpin of 64 MiB in units of 4 KiB. Arguments: bytes, rounds per batch, batches. Nanoseconds per unit.

import { measure, report } from './measure.ts';
import { SharedRegion } from './package.ts';

const [size = 0, rounds = 0, batches = 0] = process.argv.slice(2).map(Number);
const region = SharedRegion.create({ size, granularity: 4096 });
region.unpin();

const samples = measure(batches, rounds, (count) => {
  for (let i = 0; i < count; i++) {
    region.pin();
    region.unpin();
  }
});
report({ ours: samples.map((ns) => ns / (size / 4096)) });

// pin + unpin of one unit, in turn with two calls of the addon that do nothing. Arguments: pairs per batch, batches.

import { measure, report } from './measure.ts';
import { native, SharedRegion } from './package.ts';

const [pairs = 0, batches = 0] = process.argv.slice(2).map(Number);
const region = SharedRegion.create({ size: 2 ** 20 });
const unit = region.granularity;
region.unpin();

function pinPairs(count: number): void {
  for (let i = 0; i < count; i++) {
    region.pin(unit, unit);
    region.unpin(unit, unit);
  }
}

function emptyPairs(count: number): void {
  for (let i = 0; i < count; i++) {
    native.nothing();
    native.nothing();
  }
}

measure(1, pairs, pinPairs);
measure(1, pairs, emptyPairs);
const ours: number[] = [];
const floor: number[] = [];
for (let batch = 0; batch < batches; batch++) {
  floor.push(...measure(1, pairs, emptyPairs));
  ours.push(...measure(1, pairs, pinPairs));
}
report({ ours, floor });

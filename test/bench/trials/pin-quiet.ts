// Pins and unpins one unit between two marks that show in the log of strace. Argument: pairs.

import { accessSync } from 'node:fs';
import { SharedRegion } from './package.ts';

const pairs = Number(process.argv[2]);
// The thread that watches memory makes calls of its own, four times a second and when it begins; none of them is a pin's.
const region = SharedRegion.create({ size: 2 ** 20, reclaimer: false });
const unit = region.granularity;
region.unpin();

/** A system call that nobody else makes: it fails with ENOENT. */
function mark(name: string): void {
  try {
    accessSync(`/ashmem-compat-${name}`);
  } catch {}
}

function pinPairs(count: number): void {
  for (let i = 0; i < count; i++) {
    region.pin(unit, unit);
    region.unpin(unit, unit);
  }
}

pinPairs(20_000);
mark('begin');
pinPairs(pairs);
mark('end');

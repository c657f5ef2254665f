// One of the processes that share the regions. Plain JavaScript, and the package as it is shipped: no compiler's memory is in it.
// Started with an ipc channel as descriptor 3 and the regions from 4 on; told what to do by messages { act, ... }, each answered once.

import { readSync } from 'node:fs';
import { fill, spoilt } from './pattern.mjs';

const { entry, regions: count, seed, reclaimer, strips, stripBytes } = JSON.parse(process.argv[2]);
const { SharedRegion } = await import(entry);
/** Of these the last is the one that stays pinned. */
const regions = [];

/** What stays pinned in the others: a few short ranges. */
function ranges(region) {
  const step = region.size / strips;
  return Array.from({ length: strips }, (_, i) => Math.floor((i + 0.5) * step)).map(
    (at) => at - (at % region.granularity),
  );
}

function spoiltIn(region, index, offset, length) {
  const { granularity } = region;
  return spoilt(region.view(offset, length), granularity, seed, index, offset / granularity);
}

/** Units of what this process has pinned all the time that are not what they were. */
function spoiltPinned() {
  let units = spoiltIn(regions.at(-1), count - 1, 0, regions.at(-1).size);
  for (const [index, region] of regions.slice(0, -1).entries()) {
    for (const offset of ranges(region)) units += spoiltIn(region, index, offset, stripBytes);
  }
  return units;
}

/** Units of a region that pin says are there and that are not what they were; adds up what it says is lost. */
function verify(region, index) {
  const lost = [];
  region.pin(0, region.size, lost);
  let at = 0;
  let units = 0;
  for (const { offset, length } of [...lost, { offset: region.size, length: 0 }]) {
    if (offset > at) units += spoiltIn(region, index, at, offset - at);
    at = offset + length;
  }
  region.unpin();
  return { units, lost: lost.reduce((sum, { length }) => sum + length, 0) };
}

const acts = {
  // All at once, and in an emulated machine a peer may be halfway into a region for seconds.
  attach() {
    for (let i = 0; i < count; i++)
      regions.push(SharedRegion.fromFd(4 + i, { reclaimer, busyTimeout: 30_000 }));
  },
  // What is lost of a region, at first everything, is written. Gives how much that was.
  fill({ region: index, all }) {
    const region = regions[index];
    const lost = [];
    region.pin(0, region.size, lost);
    const ranges = all ? [{ offset: 0, length: region.size }] : lost;
    for (const { offset, length } of ranges) {
      const { granularity } = region;
      fill(region.view(offset, length), granularity, seed, index, offset / granularity);
    }
    region.unpin();
    return ranges.reduce((sum, { length }) => sum + length, 0);
  },
  // Everything, if nothing is to be left for anybody to take.
  hold({ all }) {
    if (all) for (const region of regions) region.pin();
    regions.at(-1).pin();
    for (const region of regions.slice(0, -1)) {
      for (const offset of ranges(region)) region.pin(offset, stripBytes);
    }
  },
  verify() {
    const pinned = spoiltPinned();
    const each = regions.slice(0, -1).map(verify);
    return {
      pinned,
      untold: each.reduce((sum, { units }) => sum + units, 0),
      lost: each.reduce((sum, { lost }) => sum + lost, 0),
    };
  },
};

process.on('message', (message) => {
  if (message.act === 'block') {
    // Only when the answer is out: nothing is sent by a blocked event loop.
    process.send({ answer: {} }, () => {
      if (message.ms === undefined) {
        readSync(0, Buffer.alloc(1)); // until it is released, however long that takes
        return;
      }
      const end = performance.now() + message.ms;
      while (performance.now() < end);
    });
    return;
  }
  try {
    process.send({ answer: acts[message.act](message) ?? {} });
  } catch (error) {
    process.send({ error: `${error.code ?? ''} ${error.message}` });
  }
});
process.on('disconnect', () => process.exit());
process.send({ answer: {} });

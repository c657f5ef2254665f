import { setTimeout as sleep } from 'node:timers/promises';
import { probe, SharedRegion } from '../../lib/index.ts';
import { Crew } from './crew.ts';
import { Layout } from './layout.ts';
import { memoryOfProcesses, memoryOfRegion } from './memory.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { findPhotos } from './photos.ts';
import { Progress } from './progress.ts';
import { mebibytes, type Phases, printMemory, printTable, printVerdict } from './report.ts';
import { emptyTally, sum } from './tally.ts';
import { random } from './zipf.ts';

// The coordinator: makes the region, starts the workers, lets them work in rounds, purges half-way, and reports.

const NAME = 'image-cache';
const REQUESTS_PER_PHOTO = 10;
const PURGED_PART = 0.4;

async function main(options: Options): Promise<boolean> {
  const unit = probe().pageSize;
  const slots = Layout.slotsIn(options.capacity, unit);
  if (slots === 0) throw new Error(`not one thumbnail fits into ${mebibytes(options.capacity)}`);
  const { paths, origin } = await findPhotos(options.dir, slots, {
    count: options.photos,
    megapixels: options.megapixels,
  });
  console.log(`using ${origin}`);
  if (paths.length === slots)
    console.log(`(--capacity has room for the thumbnails of ${slots}, not of more)`);

  const layout = new Layout(paths.length, unit);
  using region = SharedRegion.create({ name: NAME, size: layout.size });
  // A new region is pinned by its creator. We keep the index and give the slots free: what no worker pins may be discarded.
  region.unpin(layout.indexBytes, layout.size - layout.indexBytes);
  console.log(`workers: ${options.workers}; the region that they share: ${mebibytes(layout.size)}`);

  const crew = await Crew.start(options.workers, region, paths);
  try {
    const phases = await work(crew, region, layout, options);
    printTable(phases);
    printMemory({
      region: memoryOfRegion([process.pid, ...crew.pids], NAME),
      privateCaches: crew.wanted,
      workers: memoryOfProcesses(crew.pids),
    });
    return printVerdict(phases);
  } finally {
    crew.dismiss();
  }
}

async function work(crew: Crew, region: SharedRegion, layout: Layout, options: Options): Promise<Phases> {
  const phases: Phases = { warmUp: emptyTally(), untilPurge: emptyTally(), afterPurge: emptyTally() };
  const warm = Math.floor(options.rounds / 4);
  const half = Math.floor(options.rounds / 2);
  const requests = layout.slots * REQUESTS_PER_PHOTO;

  const progress = new Progress('serving thumbnails', requests * options.rounds);
  const purges: string[] = [];
  try {
    for (let round = 0; round < options.rounds; round++) {
      const phase = round < warm ? 'warmUp' : round < half ? 'untilPurge' : 'afterPurge';
      const served = crew.round(requests, (done) => progress.advance(done, phase));
      const purge = round === half ? purgeSome(region, layout).then((text) => purges.push(text)) : undefined;
      const [tally] = await Promise.all([served, purge]);
      phases[phase] = sum([phases[phase], tally]);
    }
  } finally {
    progress.end();
  }
  console.log(...purges);
  return phases;
}

/** Discards a part of the slots while the workers are at work. A slot that a worker has pinned at that moment is spared. */
async function purgeSome(region: SharedRegion, layout: Layout): Promise<string> {
  await sleep(5); // let them begin
  const next = random(0);
  const chosen = Array.from({ length: layout.slots }, (_, slot) => ({ slot, key: next() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, Math.max(1, Math.round(layout.slots * PURGED_PART)));
  let bytes = 0;
  let spared = 0;
  for (const { slot } of chosen) {
    const discarded = region.purge(layout.slotOffset(slot), layout.slotBytes);
    bytes += discarded;
    if (discarded === 0) spared++;
  }
  return `half-way, ${chosen.length - spared} of ${layout.slots} thumbnails were purged (${mebibytes(bytes)}); ${spared} in use were spared`;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) console.log(HELP);
  else process.exitCode = (await main(options)) ? 0 : 1;
} catch (error) {
  console.error(`image-cache: ${(error as Error).message}`);
  process.exitCode = 1;
}

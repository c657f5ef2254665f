import { setImmediate as breathe } from 'node:timers/promises';
import { SharedRegion } from '../../lib/index.ts';
import { Layout, THUMBNAIL_EDGE } from './layout.ts';
import { type News, type Order, REGION_FD } from './messages.ts';
import { sharp } from './sharp.ts';
import { count, emptyTally } from './tally.ts';
import { type Image, ThumbnailCache } from './thumbnail-cache.ts';
import { random, zipf } from './zipf.ts';

// A worker: draws photographs at random and wants a thumbnail of each, from the region that all workers share.

const BATCH = 32;

sharp.concurrency(1); // there are several workers, they need no threads besides

function tell(news: News): void {
  process.send!(news);
}

async function decode(path: string): Promise<Image> {
  const { data, info } = await sharp(path, { failOn: 'error' })
    .autoOrient()
    .resize(THUMBNAIL_EDGE, THUMBNAIL_EDGE, { fit: 'inside' })
    .flatten()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((error: Error) => {
      throw new Error(`cannot decode ${path}: ${error.message}`);
    });
  return { width: info.width, height: info.height, pixels: data };
}

class Worker {
  readonly #photos: string[];
  readonly #draw: () => number;
  readonly #cache: ThumbnailCache;
  readonly #wanted = new Map<number, number>();

  constructor(photos: string[], seed: number) {
    const region = SharedRegion.fromFd(REGION_FD);
    const layout = new Layout(photos.length, region.granularity);
    // The coordinator has the index pinned too, but who relies on bytes pins them.
    if (region.pin(0, layout.indexBytes) === 'purged') throw new Error('the index is gone');
    this.#cache = new ThumbnailCache(region, layout);
    this.#photos = photos;
    this.#draw = zipf(photos.length, random(seed));
  }

  async round(requests: number): Promise<void> {
    const tally = emptyTally();
    for (let i = 1; i <= requests; i++) {
      const photo = this.#draw();
      const begin = performance.now();
      const outcome = await this.#cache.access(
        photo,
        () => decode(this.#photos[photo]!),
        ({ pixels }) => {
          // Here a real program would show the image. The cache has compared its checksum already, as it does with every one.
          tally.verified++;
          this.#wanted.set(photo, pixels.length);
        },
      );
      count(tally, outcome, performance.now() - begin);
      if (i % BATCH === 0 || i === requests) {
        tell({ kind: 'progress', requests: ((i - 1) % BATCH) + 1 });
        await breathe();
      }
    }
    const wanted = [...this.#wanted.values()].reduce((a, b) => a + b, 0);
    tell({ kind: 'round', tally, wanted });
  }
}

let worker: Worker;

process.on('message', async (order: Order) => {
  try {
    if (order.kind === 'start') {
      worker = new Worker(order.photos, order.seed);
      tell({ kind: 'ready' });
    } else {
      await worker.round(order.requests);
    }
  } catch (error) {
    tell({ kind: 'failed', message: (error as Error).message });
  }
});
process.on('disconnect', () => process.exit());

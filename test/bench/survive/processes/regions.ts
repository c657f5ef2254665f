import type { Backend } from '../../../../lib/region/options.ts';
import { SharedRegion } from '../../trials/package.ts';

const MIB = 2 ** 20;

/** What the workers share: four regions of 50 MiB that they unpin, and one that stays pinned. */
export const UNPINNED = [50 * MIB, 50 * MIB, 50 * MIB, 50 * MIB] as const;
export const PINNED = 3 * MIB;
/** Short ranges of each of the four that stay pinned as well. */
export const STRIPS = 4;
export const STRIP = 64 * 1024;

export const unpinnedBytes = UNPINNED.reduce((sum, size) => sum + size, 0) - UNPINNED.length * STRIPS * STRIP;

/** Of all of them. */
export const regionBytes = UNPINNED.reduce((sum, size) => sum + size, PINNED);

/** Makes them; nothing of their data is in memory yet. Whoever writes to it first pays for it. */
export function makeRegions(backend: Backend = 'memfd') {
  const regions = [...UNPINNED, PINNED].map((size, i) => {
    const options = { name: `survive-${i}`, size, backend, reclaimer: false };
    const region = SharedRegion.create(options);
    region.unpin();
    return region;
  });
  return {
    fds: regions.map(({ fd }) => fd),
    close() {
      for (const region of regions) region.close();
    },
  };
}

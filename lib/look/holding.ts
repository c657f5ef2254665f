// Pins from outside: those of a process that has nothing else to do with the region.

import { VolatileCache } from '../cache/volatile-cache.ts';
import { AshmemError } from '../errors.ts';
import { native } from '../native.ts';
import { VolatilePool } from '../pool/volatile-pool.ts';
import { SharedRegion } from '../region/shared-region.ts';
import { openRegion, withRegionFd } from './open.ts';
import { detailsOf } from './report.ts';

export interface Held {
  bytes: number;
  /** Bytes that were discarded already, and are not held. */
  lost: number;
}

/** Discards what nobody holds of the range, or of all. Bytes discarded. */
export function purgeFrom(pid: number, fd: number, offset?: number, length?: number): number {
  const { kind } = kindOf(pid, fd);
  const isRange = offset !== undefined || length !== undefined;
  return withRegionFd(pid, fd, (own) => {
    if (kind !== 'region' && isRange) {
      throw new AshmemError('ERR_NOT_SUPPORTED', `a ${kind} has no ranges: it is purged whole`);
    }
    if (kind === 'pool') {
      using pool = VolatilePool.fromFd(own, { reclaimer: false });
      return pool.purge();
    }
    if (kind === 'cache') {
      using cache = VolatileCache.fromFd(own, { reclaimer: false });
      return cache.purge();
    }
    using region = SharedRegion.fromFd(own, { reclaimer: false });
    return region.purge(offset, length ?? region.size - (offset ?? 0));
  });
}

function kindOf(pid: number, fd: number) {
  const file = openRegion(pid, fd);
  file.close();
  return file.header;
}

/**
 * Pins what is not discarded, until this process ends. Nothing that is lost is pinned: its next user has to be told of the loss, and would not be
 * if it had become ours to refill. Of a pool or a cache: the blocks that are there now.
 */
export function holdFrom(pid: number, fd: number, offset = 0, length?: number): Held {
  const { kind, size } = kindOf(pid, fd);
  if (kind !== 'region') {
    if (offset !== 0 || length !== undefined) {
      throw new AshmemError('ERR_NOT_SUPPORTED', `a ${kind} has no ranges: what is in it is pinned`);
    }
    return withRegionFd(pid, fd, (own) => {
      const { keeper, held, lost } = native.holdBlocks(own, kind === 'cache');
      kept.push(keeper);
      return { bytes: held, lost };
    });
  }
  const end = length === undefined ? size : offset + length;
  const file = openRegion(pid, fd);
  let runs: { offset: number; length: number; state: string }[];
  try {
    runs = detailsOf(file, [], true).runs ?? [];
  } finally {
    file.close();
  }
  return withRegionFd(pid, fd, (own) => {
    const region = SharedRegion.fromFd(own, { reclaimer: false });
    kept.push(region);
    const held: Held = { bytes: 0, lost: 0 };
    // A wrong range is told by the region itself.
    region.pinStatus(offset, end - offset);
    for (const run of runs) {
      const from = Math.max(run.offset, offset);
      const bytes = Math.min(run.offset + run.length, end) - from;
      if (bytes <= 0) continue;
      if (run.state !== 'ready' && run.state !== 'refilling') held.lost += bytes;
      else if (region.pin(from, bytes) === 'kept') held.bytes += bytes;
      // Discarded between the look and the pin. The process ends without an unpin, which leaves the loss as it was.
      else throw new AshmemError('ERR_REGION_BUSY', 'bytes were discarded just now; try again');
    }
    return held;
  });
}

/** Never closed: when a process ends, its pins are given back as those of the dead are, and change nothing else. */
const kept: unknown[] = [];

import { mediumMark } from './grounds/ground.ts';
import type { Outcome } from './run.ts';

/**
 * Milliseconds from the moment at which less than the medium mark was available to the first byte of a region freed; 0 if that was
 * freed before, undefined if the mark was not crossed, infinite if nothing was freed after it.
 */
export function latency({ samples, limit }: Pick<Outcome, 'samples' | 'limit'>): number | undefined {
  const mark = mediumMark(limit);
  const crossed = samples.find(({ available }) => available < mark);
  if (!crossed) return undefined;
  let most = 0;
  for (const { at, resident } of samples) {
    if (resident < most) return Math.max(0, at - crossed.at);
    most = resident;
  }
  return Number.POSITIVE_INFINITY;
}

/** Bytes that were available when the first byte of a region was freed; undefined if none was. */
export function firstFreedAt({ samples }: Pick<Outcome, 'samples'>): number | undefined {
  let most = 0;
  for (const { available, resident } of samples) {
    if (resident < most) return available;
    most = resident;
  }
  return undefined;
}

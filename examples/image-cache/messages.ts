import type { Tally } from './tally.ts';

/** In every worker the region is this file descriptor: 0, 1 and 2 are the usual ones, 3 is the channel for messages. */
export const REGION_FD = 4;

/** What the coordinator says to a worker. */
export type Order = { kind: 'start'; photos: string[]; seed: number } | { kind: 'round'; requests: number };

/** What a worker answers. */
export type News =
  | { kind: 'ready' }
  | { kind: 'progress'; requests: number }
  /** `wanted`: bytes of all thumbnails that this worker has used so far, each counted once. */
  | { kind: 'round'; tally: Tally; wanted: number }
  | { kind: 'failed'; message: string };

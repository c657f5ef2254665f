import type { ReclaimResult } from './reclaim.ts';

/** What native/addon/reclaim.cc gives: bytes, and what the kernel does not tell left out. */
export type NativeOutcome = Omit<
  ReclaimResult,
  'pid' | 'kind' | 'advice' | 'left' | 'swapped' | 'pageCacheDropped'
> & {
  pageCacheBefore?: number;
  pageCacheAfter?: number;
};

export interface NativeReclaim {
  /** `kind`: 0 'file', 1 'anon', 2 'all'. `end`: 0 for all addresses from `start`. */
  reclaim(pid: number, kind: number, cold: boolean, start: number, end: number): Promise<NativeOutcome>;
}

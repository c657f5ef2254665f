import type { MemoryUsage } from './reclaim.ts';

/** What native/addon/reclaim.cc gives: bytes, and what the kernel does not tell left out. */
export interface NativeOutcome {
  means: 'proc-reclaim' | 'process_madvise' | 'madvise';
  mappings: number;
  advised: number;
  skippedMappings: number;
  skipped: number;
  anonLeftOut?: string;
  before: MemoryUsage;
  after: MemoryUsage;
  pageCacheBefore?: number;
  pageCacheAfter?: number;
}

export interface NativeReclaim {
  /** `kind`: 0 'file', 1 'anon', 2 'all'. `end`: 0 for all addresses from `start`. */
  reclaim(pid: number, kind: number, cold: boolean, start: number, end: number): Promise<NativeOutcome>;
}

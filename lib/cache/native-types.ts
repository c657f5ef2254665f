import type { CacheStats } from './types.ts';

/**
 * What native/addon/cache.cc and cache_make.cc export. Calls without arguments read them from `cacheMailbox` ([0] the cache's id, the rest
 * beside each in cache.cc) and leave their outcome there: [2] is -1 after an error, which cacheError() makes. The key of a call is
 * the first [1] bytes of `cacheKey`.
 */
export interface NativeCache {
  readonly cacheMailbox: Float64Array;
  readonly cacheKey: Uint8Array;
  cacheGet(): void;
  cacheGetAgain(): void;
  cacheRelease(): void;
  cacheHas(): void;
  cacheRemove(): void;
  cacheBeginRead(): void;
  cacheEndRead(): void;
  cacheNext(): void;
  cachePut(bytes: Uint8Array, meta: Uint8Array | undefined): void;
  cacheReserve(meta: Uint8Array | undefined): void;
  cachePublish(): void;
  cacheAbandon(): void;
  cacheBeginFill(): void;
  cacheEndFill(): void;
  cacheWait(): void;
  cacheUnwait(): void;
  cacheCountWait(): void;
  cacheClear(): void;
  cachePurgeStale(): void;
  cachePurge(): void;
  cacheCount(): void;
  cacheWindow(): ArrayBuffer | undefined;
  closeCache(): void;
  createCache(
    name: string,
    capacity: number,
    maxEntries: number,
    backend: string,
    shared: boolean,
    maxProcesses: number,
    busyTimeout: number,
    reclaimer: boolean,
    fillTimeout: number,
  ): object;
  attachCache(
    fd: number,
    backend: string,
    busyTimeout: number,
    reclaimer: boolean,
    fillTimeout: number,
  ): object;
  cacheStats(): CacheStats;
  cacheError(): Error;
  cacheFd(): number;
  cacheName(): string;
  cacheBackend(): string;
  onFillOver(callback: (wait: number, why: number) => void): void;
  /** CLOCK_MONOTONIC, whole milliseconds. */
  monotonicMs(): number;
}

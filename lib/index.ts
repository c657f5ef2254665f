export { type EntryStreamOptions, type EntryTarget, entryStream, sendEntry } from './cache/entry-stream.ts';
export { MAX_KEY_BYTES } from './cache/key.ts';
export type {
  CacheAttachOptions,
  CacheEntry,
  CacheKey,
  CacheOptions,
  CacheStats,
  Fill,
  FillContext,
  Filled,
  FillOptions,
  SetOptions,
} from './cache/types.ts';
export { VolatileCache } from './cache/volatile-cache.ts';
export {
  FdChannel,
  type Message,
  type Peer,
  type Received,
  type ReceiveOptions,
  type Sendable,
} from './channel/fd-channel.ts';
export { FdServer } from './channel/fd-server.ts';
export { closeFds } from './channel/fds.ts';
export type { Json } from './channel/json.ts';
export { MAX_MESSAGE_BYTES, MAX_MESSAGE_FDS, MAX_PATH_BYTES } from './channel/limits.ts';
export { AshmemError, type ErrorCode } from './errors.ts';
export { type Measured, type PrometheusOptions, prometheus } from './metrics/prometheus.ts';
export type { Block } from './pool/block.ts';
export type { PoolAttachOptions, PoolOptions } from './pool/options.ts';
export { type PoolStats, VolatilePool } from './pool/volatile-pool.ts';
export type { PressureOptions, PressureSource, Watermarks } from './pressure/options.ts';
export { type PressureEvents, PressureMonitor } from './pressure/pressure-monitor.ts';
export {
  listenForShrinkSignal,
  type ShrinkSignal,
  type ShrinkSignalListener,
} from './pressure/shrink-signal.ts';
export type { ShrinkerOptions, ShrinkerStats } from './pressure/shrinker.ts';
export { type RegisteredShrinker, registerShrinker } from './pressure/shrinkers.ts';
export type { PressureLevel, PressureState } from './pressure/state.ts';
export { type Availability, type ProbeReport, probe } from './probe.ts';
export type { ReclaimAdvice, ReclaimKind, ReclaimOptions } from './reclaim/options.ts';
export { type MemoryUsage, type ReclaimResult, reclaim } from './reclaim/reclaim.ts';
export { enableVrange, type VrangeOptions } from './region/enable-vrange.ts';
export type {
  OptimisticMeans,
  OptimisticOptions,
  OptimisticReader,
  OptimisticReadOptions,
  OptimisticResult,
} from './region/optimistic.ts';
export type { AttachOptions, Backend, CreateOptions, Scope } from './region/options.ts';
export type { Priority } from './region/priority.ts';
export type { PurgeEvent, PurgeReason } from './region/purge-events.ts';
export { type ByteRange, type PinResult, type RegionStats, SharedRegion } from './region/shared-region.ts';

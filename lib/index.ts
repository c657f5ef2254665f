export { AshmemError, type ErrorCode } from './errors.ts';
export { type Availability, type ProbeReport, probe } from './probe.ts';
export type { AttachOptions, Backend, CreateOptions, Scope } from './region/options.ts';
export { type ByteRange, type PinResult, type RegionStats, SharedRegion } from './region/shared-region.ts';

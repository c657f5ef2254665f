import type { RegionStats } from './shared-region.ts';

/**
 * What keeps a region open: when it is collected, the region is closed. createRegion and attachRegion leave in the mailbox what the
 * region is: [0] its id, [1] size, [2] granularity, [3] 1 if it is shared, plus 2 if it is read-only, plus 4 if its pins are
 * counted.
 */
export type NativeHandle = object;

/** undefined: done; a number: the code of a failure, with takeError() for the rest. */
type Outcome = number | undefined;

/**
 * What native/addon/region.cc exports. The calls without arguments read theirs from `mailbox`: [0] the region's id, [1] offset,
 * [2] length; numbers come back in [3].
 */
export interface NativeRegion {
  readonly mailbox: Float64Array;
  /** undefined: kept; 0: purged; else the code of a failure. */
  pin(): Outcome;
  /** As pin, and lostRanges() then has the discarded ranges. */
  pinLost(): Outcome;
  lostRanges(): number[];
  unpin(): Outcome;
  /** Does nothing: what a call into the addon costs. */
  nothing(): void;
  pinned(): Outcome;
  purge(): Outcome;
  beginRead(): bigint | Outcome;
  endRead(ticket: bigint): void;
  protect(): Outcome;
  /** Makes a second mapping of the region, in which touches of holes are noticed, if it has none. */
  watchHoles(): Outcome;
  /** As arrayBuffer(), over that mapping. */
  holesBuffer(): ArrayBuffer | undefined;
  /** mailbox[3]: touches of holes in that mapping; mailbox[1]: 1 if the kernel has answered a touch of what it had discarded with SIGBUS. */
  touches(): Outcome;
  /** mailbox[3] becomes the number of the read, which endOptimistic() takes there. Reads end in the reverse order. */
  beginOptimistic(): Outcome;
  /** lostRanges() then has what the read lost. */
  endOptimistic(): Outcome;
  closeRegion(): void;
  regionFd(): number;
  regionName(): string;
  regionBackend(): string;
  regionPurgeable(): boolean;
  /** 0 normal, 1 cheap, 2 precious. */
  regionPriority(): number;
  /** mailbox[1]: the priority. */
  setRegionPriority(): Outcome;
  /**
   * `callback` is called with the bytes that were discarded since it was called last, by who did it, until
   * unwatchPurges() or closeRegion(). It is not kept: its owner is the region's JavaScript object. Throws ERR_READ_ONLY, ERR_REGION_CLOSED,
   * ERR_SYSTEM.
   */
  watchPurges(callback: (pressure: number, request: number, kernel: number, peer: number) => void): void;
  unwatchPurges(): void;
  arrayBuffer(): ArrayBuffer | undefined;
  takeError(): Error;
  regionStats(): RegionStats;
  createRegion(
    name: string,
    size: number,
    backend: string,
    granularity: number,
    shared: boolean,
    maxProcesses: number,
    busyTimeout: number,
    reclaimer: boolean,
  ): NativeHandle;
  attachRegion(fd: number, backend: string, busyTimeout: number, reclaimer: boolean): NativeHandle;
}

/** What native/addon/probe.cc exports. */
export interface NativeProbe {
  /** Throws ERR_OUT_OF_RANGE, ERR_NOT_SUPPORTED. */
  enableVrange(name: string): void;
  readonly pageSize: number;
  probeBackends(): { name: string; available: boolean; reason: string }[];
}

/** What keeps a pool open: when it is collected, the pool is closed. */
export type NativePoolHandle = object;

/** undefined: done; a number: the code of a failure, with takePoolError() for the rest. */
type Outcome = number | undefined;

/** Numbers of a pool, as the addon counts them: bytes, but for blocks, maxBlocks and doomed. */
export interface NativePoolStats {
  capacity: number;
  live: number;
  allocated: number;
  pinned: number;
  purged: number;
  resident: number;
  discarded: number;
  blocks: number;
  maxBlocks: number;
  doomed: number;
}

/**
 * What native/addon/pool.cc exports. The calls read their arguments from `poolMailbox`: [0] the pool's number, and mostly [1] the block's,
 * which is good until poolFree() or poolForget(); numbers come back in the others.
 */
export interface NativePool {
  readonly poolMailbox: Float64Array;
  /** [1] size, [2] priority; gives [1] the block's number. It is pinned once. */
  poolAlloc(): Outcome;
  /** [1] handle; gives [1] the block's number, [2] its size, [3] its priority. */
  poolFind(): Outcome;
  /** undefined: kept; 0: purged; else the code of a failure. */
  poolPin(): Outcome;
  poolUnpin(): Outcome;
  /** Gives [2]: how often this object has pinned the block. */
  poolPins(): Outcome;
  poolFree(): Outcome;
  /** Gives [2]: the handle. */
  poolShare(): Outcome;
  /** The Block object is gone. */
  poolForget(): void;
  /** Gives [2], [3] for poolEndRead(); [3] is -1 if the bytes are not there. */
  poolBeginRead(): Outcome;
  /** Gives [2]: 1 if the bytes were there throughout. */
  poolEndRead(): void;
  poolBuffer(): ArrayBuffer | undefined;
  /** Gives [1]: bytes discarded. */
  poolPurge(): Outcome;
  poolClose(): void;
  poolFd(): number;
  poolName(): string;
  poolBackend(): string;
  takePoolError(): Error;
  poolStats(): NativePoolStats;
  createPool(
    name: string,
    capacity: number,
    maxBlocks: number,
    backend: string,
    shared: boolean,
    maxProcesses: number,
    busyTimeout: number,
    reclaimer: boolean,
  ): NativePoolHandle;
  attachPool(fd: number, backend: string, busyTimeout: number, reclaimer: boolean): NativePoolHandle;
}

import { integer, object } from '../arguments.ts';
import {
  type AttachOptions,
  attachOptions,
  type CreateOptions,
  checkScope,
  memoryOptions,
} from '../region/options.ts';

export interface PoolOptions
  extends Pick<CreateOptions, 'name' | 'backend' | 'scope' | 'maxProcesses' | 'busyTimeout' | 'reclaimer'> {
  /** Bytes for blocks, 1 to 2^53 - 1, made a whole number of pages, of which there can be 2^28. */
  capacity: number;
  /**
   * The most blocks at once, 1 to 2^28. Each costs 48 bytes once it was used, besides its own. Default: one for each 4 KiB of the capacity, at
   * least 1024.
   */
  maxBlocks?: number;
}

/** As for a region. */
export type PoolAttachOptions = AttachOptions;

/** Checked options of VolatilePool.create, with defaults; 0 and '' mean "the core's choice". */
export function poolOptions(options: unknown) {
  const o = object('options', options);
  const memory = memoryOptions(o);
  checkScope(memory.backend, memory.scope);
  return {
    ...memory,
    capacity: integer('capacity', o.capacity, 1, Number.MAX_SAFE_INTEGER),
    maxBlocks: o.maxBlocks === undefined ? 0 : integer('maxBlocks', o.maxBlocks, 1, 2 ** 28),
  };
}

/** Checked arguments of VolatilePool.fromFd. */
export const poolAttachOptions = attachOptions;

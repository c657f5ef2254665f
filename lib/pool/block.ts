import { AshmemError, typeError } from '../errors.ts';
import { native } from '../native.ts';
import type { Priority } from '../region/priority.ts';
import type { PinResult } from '../region/shared-region.ts';
import { collected, type PoolLink } from './link.ts';

const { poolMailbox: mailbox } = native;
const owner = Symbol('ashmem-compat.block');

/**
 * A block of a VolatilePool, as one object of one process knows it. Pins are counted per object: another object for the same block, here or in
 * another process, has pins of its own.
 *
 * Errors common to the methods: ERR_BLOCK_FREED after a free(), whoever made it; ERR_REGION_CLOSED after the pool's close(); ERR_READ_ONLY from
 * pin(), unpin(), free() and access() where the pool can only be read; ERR_FORKED; ERR_REGION_BUSY when another process stands in the way for
 * longer than busyTimeout.
 *
 * A Block that is collected gives its pins back; if nobody can know of the block, because its handle was never asked for, it is freed.
 */
export class Block {
  readonly #link: PoolLink;
  readonly #index: number;
  readonly #size: number;
  readonly #priority: Priority;
  #bytes: Uint8Array | undefined;
  #freed = false;

  /** @internal Made by VolatilePool. */
  constructor(link: PoolLink, index: number, size: number, priority: Priority) {
    this.#link = link;
    this.#index = index;
    this.#size = size;
    this.#priority = priority;
    collected.register(this, { link, index }, this);
  }

  /** Bytes, as asked for. */
  get size(): number {
    return this.#size;
  }

  /** As asked for: what goes first when memory is short. */
  get priority(): Priority {
    return this.#priority;
  }

  /**
   * A number below 2^53 that names the block in every process that has the pool: pool.block(handle). It is never given to another block. From the
   * first time that it is asked for the block outlives this process, until somebody calls free().
   */
  get handle(): number {
    this.#call(native.poolShare);
    return mailbox[2] as number;
  }

  /** Whether this object has pinned the block. */
  get pinned(): boolean {
    return !this.#freed && !this.#link.closed && this.#pins() > 0;
  }

  /**
   * The bytes, without a copy, only while this object has pinned the block: else ERR_NOT_PINNED. Do not use them after the unpin(): they may be
   * discarded at any moment, and after free() they are another block's. What was in them at first is not defined.
   */
  get bytes(): Uint8Array {
    if (this.#pins() === 0) {
      throw new AshmemError(
        'ERR_NOT_PINNED',
        'bytes: the block is not pinned by this object; pin() it first',
      );
    }
    return this.#view();
  }

  /**
   * Holds the block until as many unpin()s: nobody discards its bytes meanwhile. 'purged' when they were discarded since this object last
   * held it, or were and nobody has filled them again: then fill them before the last unpin(), which says that it was done. A process that ends
   * before leaves the block purged. Nested pins say 'kept'.
   *
   * Makes no system call on memfd while nobody contends. ERR_TOO_MANY_PINS at 2^32 nested pins.
   */
  pin(): PinResult {
    this.#post();
    const result = native.poolPin();
    if (result === undefined) return 'kept';
    if (result === 0) return 'purged';
    throw this.#link.error(result);
  }

  /** Ends one pin of this object. ERR_NOT_PINNED if there is none. */
  unpin(): void {
    this.#call(native.poolUnpin);
  }

  /**
   * Ends the block, for all processes. This object's pins end with it; while others hold the block, they keep its bytes, and its room is not
   * used again before they let go.
   */
  free(): void {
    this.#post();
    const code = native.poolFree();
    if (code === undefined) {
      this.#forget();
      return;
    }
    const error = this.#link.error(code) as AshmemError;
    if (error.code === 'ERR_BLOCK_FREED') this.#forget();
    throw error;
  }

  /**
   * Pins the block, calls `fn` with its bytes and whether they were kept, and unpins: when fn returns or throws, or when the promise that it
   * returns has settled. The result is fn's. A close() or a free() meanwhile is no error.
   */
  access<T>(fn: (bytes: Uint8Array, state: PinResult) => T): T {
    if (typeof fn !== 'function') throw typeError('fn', 'a function', fn);
    const state = this.pin();
    const release = () => {
      if (this.#freed || this.#link.closed) return;
      this.#post();
      native.poolUnpin(); // fn may have unpinned it itself
    };
    let result: T;
    let isPromise: boolean;
    try {
      result = fn(this.#view(), state);
      isPromise = typeof (result as { then?: unknown } | undefined | null)?.then === 'function';
    } catch (error) {
      release();
      throw error;
    }
    if (!isPromise) {
      release();
      return result;
    }
    return new Promise((resolve) => resolve(result)).finally(release) as T;
  }

  /**
   * Reads without pinning and without writing to shared memory, so that it works where the pool can only be read: calls `fn` with the bytes, and
   * gives its result if they were there from beginning to end; undefined if they were discarded, or the block was freed, before (fn is not
   * called then) or meanwhile. `fn` must be synchronous, must not trust what it reads, and keeps no reference to the bytes. A concurrent writer is
   * not detected.
   */
  tryRead<T>(fn: (bytes: Uint8Array) => T): T | undefined {
    if (typeof fn !== 'function') throw typeError('fn', 'a function', fn);
    if (this.#freed) return undefined;
    this.#post();
    const code = native.poolBeginRead();
    if (code !== undefined) {
      const error = this.#link.error(code) as AshmemError;
      if (error.code === 'ERR_BLOCK_FREED') return undefined;
      throw error;
    }
    const high = mailbox[2] as number;
    const low = mailbox[3] as number;
    if (low < 0) return undefined;
    let result: T;
    try {
      result = fn(this.#view());
    } finally {
      this.#post();
      mailbox[2] = high;
      mailbox[3] = low;
      native.poolEndRead();
    }
    return mailbox[2] === 1 ? result : undefined;
  }

  #post(): void {
    if (this.#freed) throw new AshmemError('ERR_BLOCK_FREED', 'the block has been freed');
    mailbox[0] = this.#link.id;
    mailbox[1] = this.#index;
  }

  #call(call: () => number | undefined): void {
    this.#post();
    const code = call();
    if (code !== undefined) throw this.#link.error(code);
  }

  #pins(): number {
    this.#call(native.poolPins);
    return mailbox[2] as number;
  }

  #view(): Uint8Array {
    // After a transfer() elsewhere it is detached, and there is a new one.
    if (this.#bytes !== undefined && this.#bytes.byteLength !== 0) return this.#bytes;
    this.#post();
    const buffer = native.poolBuffer();
    if (buffer === undefined) {
      throw new AshmemError('ERR_SYSTEM', 'this JavaScript engine allows no ArrayBuffer over this memory');
    }
    // Whoever keeps the bytes keeps the block: it must not be collected, and its pins given back, under them.
    Object.defineProperty(buffer, owner, { value: this });
    this.#bytes = new Uint8Array(buffer);
    return this.#bytes;
  }

  #forget(): void {
    this.#freed = true;
    this.#bytes = undefined;
    collected.unregister(this);
  }
}

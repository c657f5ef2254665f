import { constants } from 'node:buffer';
import { integer, object } from '../arguments.ts';
import { AshmemError, rangeError, typeError, valueError } from '../errors.ts';
import { native } from '../native.ts';
import type { ByteRange, PinResult, SharedRegion } from './shared-region.ts';

/**
 * What keeps a touch of discarded bytes from ending the process, or from passing in silence:
 * - 'vrange': the kernel's SIGBUS, mended by this package's handler, which makes the loss known;
 * - 'userfaultfd': SIGBUS as well, in a second mapping of a memfd region that is watched for touches of holes;
 * - 'generations': the bytes read as zeros, and the state and generation of their units tell.
 */
export type OptimisticMeans = 'vrange' | 'userfaultfd' | 'generations';

export interface OptimisticOptions {
  /**
   * Fills a range that was lost: `bytes` are pinned while it runs, `offset` is where they are in the region. It must be synchronous. When it
   * throws, the range is purged again, and the error is read()'s.
   */
  refill?: (bytes: Uint8Array, offset: number) => void;
  /** Default: the best that works for the region. ERR_NOT_SUPPORTED, with the reason, for one that does not. */
  means?: OptimisticMeans;
}

export interface OptimisticReadOptions {
  /** How often `fn` may be called again after a loss was refilled. Default: 0. */
  repeat?: number;
}

/** What came of an optimistic read. */
export interface OptimisticResult<T> {
  /** What `fn` gave, the last time; to be used only if `state` is 'kept'. */
  value: T | undefined;
  /** 'kept': every unit of the range was whole from the beginning to the end of the last call of `fn`. */
  state: PinResult;
  /** The units that were not, ascending and merged. */
  lost: ByteRange[];
  /** What was refilled on the way. */
  refilled: ByteRange[];
  /** What `fn` threw, where bytes that were lost may be to blame; it throws through where nothing was lost. */
  error?: unknown;
}

const { mailbox } = native;
const allMeans: readonly string[] = ['vrange', 'userfaultfd', 'generations'];

interface Checked {
  refill: ((bytes: Uint8Array, offset: number) => void) | undefined;
  means: OptimisticMeans | undefined;
}

function checked(options: unknown): Checked {
  const o = object('options', options === undefined ? {} : options);
  if (o.refill !== undefined && typeof o.refill !== 'function') {
    throw typeError('refill', 'a function', o.refill);
  }
  if (o.means !== undefined && typeof o.means !== 'string') throw typeError('means', 'a string', o.means);
  if (o.means !== undefined && !allMeans.includes(o.means)) {
    throw valueError('means', `one of ${allMeans.join(', ')}`, o.means);
  }
  return { refill: o.refill as Checked['refill'], means: o.means as OptimisticMeans | undefined };
}

/**
 * Reads a region without asking first, and says afterwards what was lost: made by SharedRegion.optimistic(). It belongs to the region's object,
 * and to its thread; after the region's close() it throws ERR_REGION_CLOSED.
 */
export class OptimisticReader {
  readonly #region: SharedRegion;
  readonly #id: number;
  readonly #refill: Checked['refill'];
  readonly #watched: boolean;
  #buffer: ArrayBuffer | undefined;

  /** @internal */
  constructor(region: SharedRegion, id: number, options: unknown) {
    const { refill, means } = checked(options);
    if (refill !== undefined && region.readonly) {
      throw new AshmemError('ERR_READ_ONLY', 'who may only read cannot refill');
    }
    this.#region = region;
    this.#id = id;
    this.#refill = refill;
    if (!region.counted) {
      throw new AshmemError('ERR_NOT_SUPPORTED', 'memory of a foreign maker does not tell what it has lost');
    }
    if (means === 'vrange' && region.backend !== 'vrange') {
      throw new AshmemError('ERR_NOT_SUPPORTED', `the region's backend is ${region.backend}`);
    }
    this.#watched = means === undefined || means === 'userfaultfd' ? this.#watch(means !== undefined) : false;
  }

  /**
   * By what means losses are noticed. On a region of the backend 'vrange' it is 'vrange' once the kernel has answered a touch with SIGBUS, and
   * until then 'generations', by asking the kernel at the end of each read.
   */
  get means(): OptimisticMeans {
    if (this.#watched) return 'userfaultfd';
    this.#touches();
    return mailbox[1] === 1 ? 'vrange' : 'generations';
  }

  /** How many touches of holes were noticed in this region's watched mapping; 0 with other means than 'userfaultfd'. */
  get touches(): number {
    this.#touches();
    return mailbox[3] as number;
  }

  /**
   * Calls `fn` with any bytes of the region, pinned or not, and says afterwards whether they were whole all the time. `fn` must be synchronous,
   * must not trust what it reads, and keeps no reference to the bytes. Bytes that are gone read as zeros, and a system call that is
   * to read them may fail with EFAULT. A concurrent writer is not detected, nor is one that was told of a loss and is refilling.
   *
   * After a loss `refill` is called for each range that still is lost, and `fn` again as often as `repeat` allows.
   *
   * Errors: TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_INVALID_RANGE (any bytes within the region are a range), ERR_OUT_OF_RANGE (repeat);
   * ERR_REGION_CLOSED; ERR_FORKED; ERR_SYSTEM; of the refilling those of pin().
   */
  read<T>(
    offset: number,
    length: number,
    fn: (bytes: Uint8Array) => T,
    options?: OptimisticReadOptions,
  ): OptimisticResult<T> {
    if (typeof fn !== 'function') throw typeError('fn', 'a function', fn);
    const o = object('options', options === undefined ? {} : options);
    const repeat = o.repeat === undefined ? 0 : integer('repeat', o.repeat, 0, 0xffffffff);
    const refilled: ByteRange[] = [];
    for (let again = 0; ; again++) {
      const result: OptimisticResult<T> = { ...this.#once(offset, length, fn), refilled };
      if (result.state === 'kept' || this.#refill === undefined || this.#region.closed) return result;
      for (const range of result.lost) this.#fill(this.#refill, range, refilled);
      if (again === repeat) return result;
    }
  }

  #once<T>(
    offset: number,
    length: number,
    fn: (bytes: Uint8Array) => T,
  ): Omit<OptimisticResult<T>, 'refilled'> {
    const bytes = this.#view(offset, length);
    this.#post(offset, length);
    this.#check(native.beginOptimistic());
    const read = mailbox[3] as number;
    let value: T | undefined;
    let thrown: { error: unknown } | undefined;
    try {
      value = fn(bytes);
    } catch (error) {
      thrown = { error };
    }
    this.#post(offset, length);
    mailbox[3] = read;
    const result = native.endOptimistic();
    // A close() meanwhile has taken all of it.
    const lost = this.#region.closed ? [{ offset, length }] : this.#lost(result);
    if (lost.length === 0) {
      if (thrown !== undefined) throw thrown.error;
      return { value, state: 'kept', lost };
    }
    return { value, state: 'purged', lost, ...thrown };
  }

  #lost(result: number | undefined): ByteRange[] {
    this.#check(result);
    const pairs = native.lostRanges();
    const lost: ByteRange[] = [];
    for (let i = 0; i < pairs.length; i += 2) lost.push({ offset: pairs[i]!, length: pairs[i + 1]! });
    return lost;
  }

  #fill(refill: (bytes: Uint8Array, offset: number) => void, range: ByteRange, refilled: ByteRange[]): void {
    const region = this.#region;
    const lost: ByteRange[] = [];
    region.pin(range.offset, range.length, lost);
    let done = false;
    try {
      for (const part of lost) {
        refill(region.view(part.offset, part.length), part.offset);
        refilled.push(part);
      }
      done = true;
    } finally {
      if (!region.closed) {
        region.unpin(range.offset, range.length);
        if (!done) region.purge(range.offset, range.length);
      }
    }
  }

  #watch(required: boolean): boolean {
    mailbox[0] = this.#id;
    const result = native.watchHoles();
    if (result === undefined) return true;
    const error = native.takeError() as AshmemError;
    if (required || error.code !== 'ERR_NOT_SUPPORTED') throw error;
    return false;
  }

  #view(offset: number, length: number): Uint8Array {
    const plain = this.#region.view(offset, length); // checks as well
    if (length === 0) throw rangeError('length must be at least 1, received 0', 'ERR_INVALID_RANGE');
    if (!this.#watched) return plain;
    const { size } = this.#region;
    if (size > constants.MAX_LENGTH) return new Uint8Array(this.#window(offset, length));
    if (this.#buffer === undefined || this.#buffer.byteLength === 0) this.#buffer = this.#window(0, size);
    return new Uint8Array(this.#buffer, offset, length);
  }

  #window(offset: number, length: number): ArrayBuffer {
    this.#post(offset, length);
    const buffer = native.holesBuffer();
    if (buffer === undefined) {
      throw new AshmemError('ERR_SYSTEM', 'this JavaScript engine allows no ArrayBuffer over foreign memory');
    }
    return buffer;
  }

  #touches(): void {
    mailbox[0] = this.#id;
    this.#check(native.touches());
  }

  #post(offset: number, length: number): void {
    mailbox[0] = this.#id;
    mailbox[1] = offset;
    mailbox[2] = length;
  }

  #check(result: number | undefined): void {
    if (result === undefined) return;
    throw native.takeError();
  }
}

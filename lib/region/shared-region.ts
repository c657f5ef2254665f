import { constants } from 'node:buffer';
import { AshmemError, rangeError, typeError, valueError } from '../errors.ts';
import { native } from '../native.ts';
import type { NativeHandle } from './native-types.ts';
import {
  type AttachOptions,
  attachOptions,
  type Backend,
  type CreateOptions,
  checkScope,
  createOptions,
  type Scope,
} from './options.ts';
import { checkPriority, type Priority, priorityNumber, priorityOf } from './priority.ts';
import { type PurgeEvent, PurgeEvents } from './purge-events.ts';

/** Whether bytes are what they were, or were discarded. */
export type PinResult = 'kept' | 'purged';

/** A range of bytes of a region. */
export interface ByteRange {
  offset: number;
  length: number;
}

/** Bytes of a region by state: `pinned + unpinned === size`; `purged` are the discarded ones that nobody has refilled. */
export interface RegionStats {
  size: number;
  /** Held by a living process. */
  pinned: number;
  unpinned: number;
  purged: number;
  /** In memory now (mincore(2)), whoever brought them there. */
  resident: number;
}

const { mailbox } = native;
const owner = Symbol('ashmem-compat.region');
/** Only create and fromFd make regions; JavaScript does not know private constructors. */
const key = Symbol('ashmem-compat.key');

/**
 * A region of purgeable memory. Processes share it by its fd, pin the bytes that they use, and are told when bytes that nobody
 * had pinned were discarded. Everything a region does to shared memory is in docs/protocol.md.
 *
 * Ranges are in bytes and made of whole units: `offset` and `length` are multiples of `granularity`, except that a range may end
 * at `size`. Errors common to the methods that take one:
 * - TypeError ERR_INVALID_ARG_TYPE: not a number.
 * - RangeError ERR_INVALID_RANGE: outside the region, empty, or not on unit boundaries.
 * - ERR_REGION_CLOSED: after close(). ERR_FORKED: the object was inherited by fork(2); attach again with the fd.
 *
 * An object belongs to the thread that made it; give workers the fd number. It takes two file descriptors, a read-only or anonymous
 * one takes one; many short-lived regions should be closed, not left to the garbage collector.
 */
export class SharedRegion implements Disposable {
  readonly #id: number;
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: held so that the region stays open while this object is reachable
  readonly #handle: NativeHandle;
  readonly #size: number;
  readonly #granularity: number;
  readonly #shared: boolean;
  readonly #readonly: boolean;
  readonly #counted: boolean;
  #buffer: ArrayBuffer | undefined;
  #closed = false;
  #purges: PurgeEvents | undefined;

  /** Called right after the addon has made the region: what it is, is in the mailbox. */
  private constructor(made: symbol, handle: NativeHandle) {
    if (made !== key)
      throw typeError('SharedRegion', 'made by SharedRegion.create or SharedRegion.fromFd', made);
    this.#handle = handle;
    this.#id = mailbox[0] as number;
    this.#size = mailbox[1] as number;
    this.#granularity = mailbox[2] as number;
    this.#shared = ((mailbox[3] as number) & 1) !== 0;
    this.#readonly = ((mailbox[3] as number) & 2) !== 0;
    this.#counted = ((mailbox[3] as number) & 4) !== 0;
  }

  /**
   * Makes a region of `size` zero bytes, all of it pinned by this object.
   *
   * Errors: TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE (sizes, granularity, name,
   * maxProcesses); ERR_NOT_SHAREABLE ('anonymous' with scope 'shared'); ERR_BACKEND_UNAVAILABLE (with the reason that probe()
   * gives); ERR_SYSTEM with errno and syscall (memfd_create(2), ftruncate(2), mmap(2), for example no memory).
   */
  static create(options: CreateOptions): SharedRegion {
    const o = createOptions(options, native.pageSize);
    checkScope(o.backend, o.scope);
    return new SharedRegion(
      key,
      native.createRegion(
        o.name,
        o.size,
        o.backend,
        o.granularity,
        o.scope === 'shared',
        o.maxProcesses,
        o.busyTimeout,
        o.reclaimer,
      ),
    );
  }

  /**
   * Attaches to the region in `fd`, which is duplicated: the caller may close its own at once. Pins nothing. An fd that was opened
   * read-only, or protected, gives a region with `readonly` true.
   *
   * Errors: ERR_UNTRUSTED_FD for an fd that is not a region, or one whose size could be changed under us (the message says what is
   * wrong with it); ERR_TOO_MANY_PROCESSES when maxProcesses living processes are attached; ERR_REGION_BUSY when a slot is free but
   * a frozen process stands in the way; ERR_BACKEND_UNAVAILABLE; TypeError and RangeError for arguments; ERR_SYSTEM.
   */
  static fromFd(fd: number, options?: AttachOptions): SharedRegion {
    const o = attachOptions(fd, options);
    if (o.backend === 'anonymous') {
      throw new AshmemError('ERR_NOT_SHAREABLE', 'an anonymous region belongs to one process and has no fd');
    }
    return new SharedRegion(key, native.attachRegion(o.fd, o.backend, o.busyTimeout, o.reclaimer));
  }

  /**
   * The region's file descriptor, which the object owns and close() closes; it is close-on-exec, as all of Node's. Pass it in a
   * child's `stdio`, through an FdChannel, or as a number to a worker; do not close it. ERR_NOT_SHAREABLE for an anonymous region, ERR_REGION_CLOSED.
   */
  get fd(): number {
    this.#assertOpen();
    if (!this.#shared) {
      throw new AshmemError('ERR_NOT_SHAREABLE', "a region with scope 'process' has no file descriptor");
    }
    mailbox[0] = this.#id;
    return native.regionFd();
  }

  get name(): string {
    mailbox[0] = this.#id;
    return native.regionName();
  }

  /** Bytes of data. */
  get size(): number {
    return this.#size;
  }

  get backend(): Backend {
    mailbox[0] = this.#id;
    return native.regionBackend() as Backend;
  }

  /** Bytes in a unit. */
  get granularity(): number {
    return this.#granularity;
  }

  get scope(): Scope {
    return this.#shared ? 'shared' : 'process';
  }

  /**
   * True if this object can only read and tryRead. Writes to its bytes stay in this process, and a page that was written to no longer
   * follows the region (a private, copy-on-write mapping).
   */
  get readonly(): boolean {
    return this.#readonly;
  }

  /**
   * True if pins are counted: nothing is discarded that any living process has pinned. False for an ashmem area that was made by
   * other means than this package (ashmem_create_region, ASharedMemory_create on Android): its pins are the driver's own, one per page,
   * which anybody's unpin ends; purge() discards nothing there, and tryRead() gives undefined.
   */
  get counted(): boolean {
    return this.#counted;
  }

  /** False if nothing can be discarded any more, because the file was sealed against writing. Also after close(). */
  get purgeable(): boolean {
    mailbox[0] = this.#id;
    return native.regionPurgeable();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * What goes first when memory is short: 'cheap', 'normal' (at first) or 'precious'. It is the region's, for all its processes, and holds for
   * what this package discards; the kernel does not know it. Advice: whoever can write to the region can set it.
   *
   * Setting it: TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; ERR_READ_ONLY; ERR_NOT_SUPPORTED where `counted` is false.
   * ERR_REGION_CLOSED.
   */
  get priority(): Priority {
    this.#assertOpen();
    mailbox[0] = this.#id;
    return priorityOf(native.regionPriority());
  }

  set priority(priority: Priority) {
    const checked = checkPriority('priority', priority);
    this.#assertOpen();
    mailbox[0] = this.#id;
    mailbox[1] = priorityNumber(checked);
    const result = native.setRegionPriority();
    if (result !== undefined) throw native.takeError();
  }

  /**
   * Event 'purge' ({ bytes, reason }): bytes of the region have been discarded, in whichever process. Told within a quarter of a second or so,
   * several discards as one, and a kernel's only once a pin or a look has found it. It is news, not the truth about a range: pin() tells that.
   * An error that a listener throws is an uncaught exception; the other listeners are told all the same.
   *
   * Listening keeps neither the process alive nor the region from being collected, and costs nothing before the first listener.
   *
   * Errors: TypeError ERR_INVALID_ARG_VALUE for another event, ERR_INVALID_ARG_TYPE; ERR_READ_ONLY; ERR_NOT_SUPPORTED where `counted` is
   * false; ERR_REGION_CLOSED; ERR_SYSTEM.
   */
  on(event: 'purge', listener: (event: PurgeEvent) => void): this {
    this.#events().add(event, listener, false);
    return this;
  }

  /** As on(), for the next event alone. */
  once(event: 'purge', listener: (event: PurgeEvent) => void): this {
    this.#events().add(event, listener, true);
    return this;
  }

  /** Takes one on() or once() of this listener back. Errors: those of arguments. */
  off(event: 'purge', listener: (event: PurgeEvent) => void): this {
    (this.#purges ?? new PurgeEvents(native, this.#id)).remove(event, listener);
    return this;
  }

  /**
   * The bytes, without a copy; index 0 is the first data byte. Only pinned bytes stay what they are. In an anonymous region the
   * unpinned ones are not to be looked at: each page of them carries a mark.
   *
   * The region stays open while the buffer is reachable; after close() the bytes read as zeros, and writes reach nobody. RangeError ERR_OUT_OF_RANGE when the
   * region is larger than the largest ArrayBuffer (4 GiB on Node 20): use view(). ERR_REGION_CLOSED.
   */
  get buffer(): ArrayBuffer {
    // After a transfer() elsewhere it is detached, and there is a new one.
    if (this.#buffer !== undefined && this.#buffer.byteLength !== 0 && !this.#closed) return this.#buffer;
    this.#assertOpen();
    if (this.#size > constants.MAX_LENGTH) {
      throw rangeError(
        `buffer: ${this.#size} bytes are more than an ArrayBuffer can have here (${constants.MAX_LENGTH}); use view()`,
      );
    }
    this.#buffer = this.#window(0, this.#size);
    return this.#buffer;
  }

  /**
   * `length` bytes from `offset`, any bytes within the region, without a copy. The way to reach what lies beyond the largest
   * ArrayBuffer. RangeError ERR_INVALID_RANGE, also for a view longer than an ArrayBuffer can be; ERR_REGION_CLOSED.
   */
  view(offset: number, length: number): Uint8Array {
    this.#assertNumbers(offset, length);
    this.#assertOpen();
    const inside = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0;
    if (!inside || offset > this.#size - length || length > constants.MAX_LENGTH) {
      throw this.#rangeError(offset, length, 'must be integers within the region');
    }
    if (this.#size <= constants.MAX_LENGTH) return new Uint8Array(this.buffer, offset, length);
    if (length === 0) return new Uint8Array(0);
    return new Uint8Array(this.#window(offset, length));
  }

  /**
   * Holds every unit of the range until as many unpin()s. 'purged' when a unit is discarded and nobody has pinned it since, or was
   * discarded since this object last held it (or attached); the bytes of such units read as zeros or as what another process has
   * refilled. Then fill them before the unpin or close(): if the process ends between the two, or the object is collected, the next one
   * is told again. An object that attaches and pins while another is refilling is told 'kept': it must wait by means of its own.
   *
   * On memfd it makes no system call while nobody contends; on ashmem the first pin of a unit, by any process, is a call of the driver's.
   * A unit that another process is purging is waited for, at most
   * busyTimeout: then, or when a hostile peer keeps changing the pin table, ERR_REGION_BUSY. On any error nothing more is held than
   * before. ERR_READ_ONLY on a read-only region. ERR_TOO_MANY_PINS at 2^31 nested pins of a unit.
   *
   * @param lost its content is replaced by the discarded ranges, ascending and merged (page by page on an anonymous region)
   */
  pin(offset = 0, length: number = this.#size - offset, lost?: ByteRange[]): PinResult {
    if (typeof offset !== 'number' || typeof length !== 'number') this.#assertNumbers(offset, length);
    mailbox[0] = this.#id;
    mailbox[1] = offset;
    mailbox[2] = length;
    if (lost !== undefined) return this.#pinLost(offset, length, lost);
    const result = native.pin();
    return result === undefined ? 'kept' : this.#pinOutcome(result, offset, length);
  }

  /**
   * Ends one pin of every unit of the range; what nobody pins may be discarded from then on. ERR_NOT_PINNED when this object does
   * not hold a unit of the range: nothing is changed then. ERR_READ_ONLY.
   */
  unpin(offset = 0, length: number = this.#size - offset): void {
    if (typeof offset !== 'number' || typeof length !== 'number') this.#assertNumbers(offset, length);
    mailbox[0] = this.#id;
    mailbox[1] = offset;
    mailbox[2] = length;
    const result = native.unpin();
    if (result !== undefined) throw this.#error(result, offset, length);
  }

  /** 'unpinned' if any unit of the range is pinned by nobody alive, in any process. */
  pinStatus(offset = 0, length: number = this.#size - offset): 'pinned' | 'unpinned' {
    this.#post(offset, length);
    const result = native.pinned();
    if (result !== undefined) throw this.#error(result, offset, length);
    return mailbox[3] === 1 ? 'pinned' : 'unpinned';
  }

  /**
   * Pins the range, calls `fn` with its bytes and whether they were kept, and unpins: when fn returns or throws, or when the promise
   * that it returns has settled. The result is fn's. Errors of pin(); a close() meanwhile is none.
   */
  access<T>(offset: number, length: number, fn: (bytes: Uint8Array, state: PinResult) => T): T {
    if (typeof fn !== 'function') throw typeError('fn', 'a function', fn);
    const state = this.pin(offset, length);
    const release = () => {
      if (!this.#closed) this.unpin(offset, length);
    };
    let result: T;
    let isPromise: boolean;
    try {
      result = fn(this.view(offset, length), state);
      isPromise = typeof (result as { then?: unknown } | undefined | null)?.then === 'function';
    } catch (error) {
      try {
        release();
      } catch {
        // fn has unpinned the range itself; its own error is the one to tell.
      }
      throw error;
    }
    if (!isPromise) {
      release();
      return result;
    }
    return new Promise((resolve) => resolve(result)).finally(release) as T;
  }

  /**
   * Reads without pinning and without writing to shared memory: calls `fn` with the bytes, and gives its result if every byte of the
   * range was there from beginning to end; undefined if one was discarded before (fn is not called then) or meanwhile. `fn` must be
   * synchronous, must not trust what it reads, and keeps no reference to the bytes. A concurrent writer is not detected, nor is one
   * that was told of a loss and is refilling.
   *
   * On ashmem the kernel tells what it has discarded only to a pin: units that nobody holds are pinned for a moment before and after, and
   * a read-only region, which cannot, gives undefined for them.
   */
  tryRead<T>(offset: number, length: number, fn: (bytes: Uint8Array) => T): T | undefined {
    if (typeof fn !== 'function') throw typeError('fn', 'a function', fn);
    this.#post(offset, length);
    const ticket = native.beginRead();
    if (ticket === undefined) return undefined;
    if (typeof ticket === 'number') throw this.#error(ticket, offset, length);
    let result: T;
    try {
      result = fn(this.view(offset, length));
    } finally {
      mailbox[0] = this.#id;
      mailbox[1] = offset;
      mailbox[2] = length;
      native.endRead(ticket);
    }
    return mailbox[3] === 1 ? result : undefined;
  }

  /**
   * Discards the units of the range that no living process has pinned, now. Gives the bytes of data discarded: those of units that
   * were not discarded before. Discarded bytes read as zeros and take no memory. Returns 0 where `purgeable` is false.
   *
   * Errors: ERR_READ_ONLY; ERR_SYSTEM (fallocate(2) FALLOC_FL_PUNCH_HOLE, madvise(2) MADV_DONTNEED).
   */
  purge(offset = 0, length: number = this.#size - offset): number {
    this.#post(offset, length);
    const result = native.purge();
    if (result !== undefined) throw this.#error(result, offset, length);
    return mailbox[3] as number;
  }

  /**
   * Whoever gets `fd` from here on can only read: it now stands for an O_RDONLY description (the number is the same). This object
   * and all that are attached keep their rights, and discarding goes on. It cannot be undone, as ashmem's SET_PROT_MASK cannot. It
   * keeps out accidents and other users, not a process of the same user that opens the file anew through /proc.
   *
   * Where the system refuses to open a memfd again (Android), the file is sealed against future writes instead, and `purgeable`
   * becomes false. TypeError ERR_INVALID_ARG_VALUE for another mode than 'read'; ERR_NOT_SHAREABLE; ERR_SYSTEM.
   */
  protect(mode: 'read'): void {
    if (mode !== 'read') {
      throw typeof mode === 'string'
        ? valueError('mode', "'read'", mode)
        : typeError('mode', 'a string', mode);
    }
    this.#assertOpen();
    mailbox[0] = this.#id;
    const result = native.protect();
    if (result !== undefined) throw native.takeError();
  }

  /** Counts the bytes by state. Looks at every unit: not for hot paths. Errors: ERR_REGION_CLOSED, ERR_SYSTEM (mincore(2)). */
  stats(): RegionStats {
    mailbox[0] = this.#id;
    return native.regionStats();
  }

  /**
   * Gives all pins of this object back and lets the memory go at once. Safe at any moment, also while Node still works on the bytes
   * in another thread: `buffer` and views read as zeros from then on, and their addresses stay valid until nothing refers to them. Safe to
   * repeat. Every method afterwards throws ERR_REGION_CLOSED.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    mailbox[0] = this.#id;
    native.closeRegion();
    this.#purges?.close();
    this.#buffer = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #post(offset: number, length: number): void {
    if (typeof offset !== 'number' || typeof length !== 'number') this.#assertNumbers(offset, length);
    mailbox[0] = this.#id;
    mailbox[1] = offset;
    mailbox[2] = length;
  }

  #pinLost(offset: number, length: number, lost: ByteRange[]): PinResult {
    if (!Array.isArray(lost) || !Object.isExtensible(lost))
      throw typeError('lost', 'an array that can be written', lost);
    const result = native.pinLost();
    const state = result === undefined ? 'kept' : this.#pinOutcome(result, offset, length);
    const pairs = native.lostRanges();
    lost.length = 0;
    for (let i = 0; i < pairs.length; i += 2) lost.push({ offset: pairs[i]!, length: pairs[i + 1]! });
    return state;
  }

  #pinOutcome(result: number, offset: number, length: number): PinResult {
    if (result === 0) return 'purged';
    throw this.#error(result, offset, length);
  }

  #window(offset: number, length: number): ArrayBuffer {
    mailbox[0] = this.#id;
    mailbox[1] = offset;
    mailbox[2] = length;
    const buffer = native.arrayBuffer();
    if (buffer === undefined) {
      throw new AshmemError('ERR_SYSTEM', 'this JavaScript engine allows no ArrayBuffer over foreign memory');
    }
    // Whoever keeps the bytes keeps the region: it must not be collected, and its pins given back, under them.
    Object.defineProperty(buffer, owner, { value: this });
    return buffer;
  }

  #events(): PurgeEvents {
    this.#assertOpen();
    this.#purges ??= new PurgeEvents(native, this.#id);
    return this.#purges;
  }

  #assertOpen(): void {
    if (this.#closed)
      throw new AshmemError('ERR_REGION_CLOSED', `the region ${JSON.stringify(this.name)} is closed`);
  }

  #assertNumbers(offset: unknown, length: unknown): void {
    if (typeof offset !== 'number') throw typeError('offset', 'a number', offset);
    if (typeof length !== 'number') throw typeError('length', 'a number', length);
  }

  #error(code: number, offset: number, length: number): Error {
    if (this.#closed) {
      return new AshmemError('ERR_REGION_CLOSED', `the region ${JSON.stringify(this.name)} is closed`);
    }
    const error = native.takeError() as AshmemError;
    if (error.code === 'ERR_INVALID_RANGE') {
      return this.#rangeError(offset, length, `must be whole units of ${this.granularity} within the region`);
    }
    if (code !== 0) error.message = `${error.message} (offset ${offset}, length ${length})`;
    return error;
  }

  #rangeError(offset: number, length: number, expected: string): RangeError {
    return rangeError(
      `offset and length ${expected} (size ${this.#size}), received ${offset} and ${length}`,
      'ERR_INVALID_RANGE',
    );
  }
}

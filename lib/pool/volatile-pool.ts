import { integer } from '../arguments.ts';
import { AshmemError, typeError } from '../errors.ts';
import { native } from '../native.ts';
import type { Backend, Scope } from '../region/options.ts';
import { checkPriority, type Priority, priorityNumber, priorityOf } from '../region/priority.ts';
import { Block } from './block.ts';
import { closedError, PoolLink } from './link.ts';
import type { NativePoolHandle } from './native-types.ts';
import { type PoolAttachOptions, type PoolOptions, poolAttachOptions, poolOptions } from './options.ts';

/** What a pool is made of now, over all processes. Bytes, but for `blocks`, `maxBlocks`, `doomed` and `fragmentation`. */
export interface PoolStats {
  capacity: number;
  /** Asked for by the blocks that are not free. */
  live: number;
  /** Of all pages that have a block in them: what no other use can be made of. */
  allocated: number;
  /** Of blocks that a living process holds; of small ones, that or one that shares their pages. */
  pinned: number;
  /** Of blocks that were discarded, and that nobody has filled again. */
  purged: number;
  /** Of the blocks' memory, in memory now (mincore(2)). */
  resident: number;
  /** Discarded ever, by whomever. */
  discarded: number;
  blocks: number;
  maxBlocks: number;
  /** Blocks that were freed while somebody held them, and are held still. */
  doomed: number;
  /** `(allocated - live) / live`: what is wasted inside of pages; 0 without blocks. */
  fragmentation: number;
}

const { poolMailbox: mailbox } = native;
/** Only create and fromFd make pools; JavaScript does not know private constructors. */
const key = Symbol('ashmem-compat.key');

/**
 * A pool of purgeable blocks of any size, in one file: every process that has its fd allocates, pins and frees. Blocks that nobody has pinned may
 * be discarded when memory is short, the least recently used of all pools and regions first, and whoever pins one is told. The pool's own tables
 * survive the death of any process at any point. docs/pool.md has the whole of it.
 *
 * A pool belongs to the thread that made it; give workers the fd number.
 */
export class VolatilePool implements Disposable {
  readonly #link: PoolLink;
  readonly #capacity: number;
  readonly #maxBlocks: number;
  readonly #shared: boolean;
  readonly #readonly: boolean;

  /** Called right after the addon has made the pool: what it is, is in the mailbox. */
  private constructor(made: symbol, handle: NativePoolHandle) {
    if (made !== key)
      throw typeError('VolatilePool', 'made by VolatilePool.create or VolatilePool.fromFd', made);
    this.#link = new PoolLink(mailbox[0] as number, handle);
    this.#capacity = mailbox[1] as number;
    this.#maxBlocks = mailbox[2] as number;
    this.#shared = ((mailbox[3] as number) & 1) !== 0;
    this.#readonly = ((mailbox[3] as number) & 2) !== 0;
  }

  /**
   * Makes an empty pool. It takes memory as blocks are written.
   *
   * Errors: TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; RangeError ERR_OUT_OF_RANGE; ERR_NOT_SHAREABLE ('anonymous' with scope
   * 'shared'); ERR_BACKEND_UNAVAILABLE; ERR_SYSTEM with errno and syscall.
   */
  static create(options: PoolOptions): VolatilePool {
    const o = poolOptions(options);
    return new VolatilePool(
      key,
      native.createPool(
        o.name,
        o.capacity,
        o.maxBlocks,
        o.backend,
        o.scope === 'shared',
        o.maxProcesses,
        o.busyTimeout,
        o.reclaimer,
      ),
    );
  }

  /**
   * Attaches to the pool in `fd`, which is duplicated. An fd that was opened read-only gives a pool with `readonly` true.
   *
   * Errors: ERR_UNTRUSTED_FD for an fd that is not a pool (the message says what it is, where that is known); ERR_TOO_MANY_PROCESSES;
   * ERR_REGION_BUSY; ERR_BACKEND_UNAVAILABLE; TypeError and RangeError for arguments; ERR_SYSTEM.
   */
  static fromFd(fd: number, options?: PoolAttachOptions): VolatilePool {
    const o = poolAttachOptions(fd, options);
    if (o.backend === 'anonymous') {
      throw new AshmemError('ERR_NOT_SHAREABLE', 'an anonymous pool belongs to one process and has no fd');
    }
    return new VolatilePool(key, native.attachPool(o.fd, o.backend, o.busyTimeout, o.reclaimer));
  }

  /** As SharedRegion.fd: the whole pool. ERR_NOT_SHAREABLE where scope is 'process', ERR_REGION_CLOSED. */
  get fd(): number {
    this.#post();
    if (!this.#shared) {
      throw new AshmemError('ERR_NOT_SHAREABLE', "a pool with scope 'process' has no file descriptor");
    }
    return native.poolFd();
  }

  /** Bytes for blocks. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The most blocks that there can be at once. */
  get maxBlocks(): number {
    return this.#maxBlocks;
  }

  get name(): string {
    mailbox[0] = this.#link.id;
    return native.poolName();
  }

  get backend(): Backend {
    mailbox[0] = this.#link.id;
    return native.poolBackend() as Backend;
  }

  get scope(): Scope {
    return this.#shared ? 'shared' : 'process';
  }

  /** True if blocks can only be found, and read with tryRead(). */
  get readonly(): boolean {
    return this.#readonly;
  }

  get closed(): boolean {
    return this.#link.closed;
  }

  /**
   * A block of `size` bytes, pinned once by the Block that is given. Until its handle is asked for nobody else can know of it, and it is freed when
   * this process dies. In constant time, whatever the pool holds.
   *
   * Errors: ERR_NO_SPACE: no room for so large a block, or `maxBlocks` are there; RangeError ERR_OUT_OF_RANGE: size is no integer from 1 to the
   * capacity; TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; ERR_REGION_BUSY; ERR_READ_ONLY; ERR_REGION_CLOSED; ERR_FORKED.
   */
  alloc(size: number, options: { priority?: Priority } = {}): Block {
    integer('size', size, 1, this.#capacity);
    if (typeof options !== 'object' || options === null) throw typeError('options', 'an object', options);
    const { priority = 'normal' } = options;
    checkPriority('priority', priority);
    this.#post();
    mailbox[1] = size;
    mailbox[2] = priorityNumber(priority);
    const code = native.poolAlloc();
    if (code !== undefined) throw this.#link.error(code);
    return new Block(this.#link, mailbox[1] as number, size, priority);
  }

  /**
   * The block that block.handle named, here or in another process, not pinned. ERR_BLOCK_FREED if there is none any more; RangeError
   * ERR_OUT_OF_RANGE: no integer from 0 to 2^53 - 1.
   */
  block(handle: number): Block {
    integer('handle', handle, 0, Number.MAX_SAFE_INTEGER);
    this.#post();
    mailbox[1] = handle;
    const code = native.poolFind();
    if (code !== undefined) throw this.#link.error(code);
    return new Block(
      this.#link,
      mailbox[1] as number,
      mailbox[2] as number,
      priorityOf(mailbox[3] as number),
    );
  }

  /** Discards what nobody holds, now. Gives the bytes of memory that were discarded, whole pages. ERR_READ_ONLY, ERR_REGION_CLOSED. */
  purge(): number {
    this.#post();
    const code = native.poolPurge();
    if (code !== undefined) throw this.#link.error(code);
    return mailbox[1] as number;
  }

  /** Looks at every block: not for hot paths. Errors: ERR_REGION_CLOSED, ERR_REGION_BUSY. */
  stats(): PoolStats {
    this.#post();
    const stats = native.poolStats();
    return { ...stats, fragmentation: stats.live === 0 ? 0 : (stats.allocated - stats.live) / stats.live };
  }

  /**
   * Gives all pins of this object's blocks back, frees those that nobody else can know of, and lets the memory go at once. Safe at any moment and
   * safe to repeat; bytes that somebody kept read as zeros. Every method afterwards throws ERR_REGION_CLOSED.
   */
  close(): void {
    if (this.#link.closed) return;
    mailbox[0] = this.#link.id;
    native.poolClose();
    this.#link.closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #post(): void {
    if (this.#link.closed) throw closedError();
    mailbox[0] = this.#link.id;
  }
}

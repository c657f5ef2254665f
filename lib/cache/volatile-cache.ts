import { integer, object } from '../arguments.ts';
import type { Json } from '../channel/json.ts';
import { AshmemError, typeError } from '../errors.ts';
import { native } from '../native.ts';
import type { Backend, Scope } from '../region/options.ts';
import { decodeMeta, Entry } from './entry.ts';
import { fillOnce, PUBLISH_AND_HOLD, PUBLISH_SET } from './fill.ts';
import { keepKey, writeKey } from './key.ts';
import { CacheMemory } from './memory.ts';
import { cacheAttachOptions, cacheOptions, extras, type Manners } from './options.ts';
import { Places } from './places.ts';
import type {
  Cache,
  CacheAttachOptions,
  CacheEntry,
  CacheKey,
  CacheOptions,
  CacheStats,
  Fill,
  FillOptions,
  SetOptions,
} from './types.ts';
import { Waits } from './waits.ts';

const { cacheMailbox: mailbox } = native;
/** Only create and fromFd make caches; JavaScript does not know private constructors. */
const made = Symbol('ashmem-compat.made');
const decoder = new TextDecoder();
const noOptions: FillOptions = {};

/**
 * A cache for all processes of a machine: one file descriptor, no server, values without a copy. Entries that nobody holds may be discarded
 * when memory is short, by any process of the cache, and are missing then. docs/cache.md tells what it does to shared memory, and what it costs.
 *
 * get(), peek(), fillInto() and getOrFill() give an entry that is held until its release(): what is never released stays in memory until
 * close() or the end of the process, whatever becomes of the JavaScript object.
 *
 * Errors of all methods: ERR_REGION_CLOSED after close(); ERR_FORKED; ERR_READ_ONLY for all but tryRead() and the properties of a cache whose fd
 * can only be read; ERR_REGION_BUSY when another process stands in the way for longer than busyTimeout. TypeError and RangeError for arguments.
 */
export class VolatileCache implements Cache {
  readonly #memory: CacheMemory;
  readonly #waits: Waits;
  readonly #capacity: number;
  readonly #max: number;
  readonly #shared: boolean;
  readonly #readonly: boolean;
  readonly #ttl: number;
  readonly #places = new Places();

  /** Called right after the addon has made the cache: what it is, is in the mailbox. */
  private constructor(key: symbol, handle: object, manners: Manners) {
    if (key !== made) throw typeError('VolatileCache', 'made by VolatileCache.create or fromFd', key);
    this.#capacity = mailbox[1] as number;
    this.#max = mailbox[2] as number;
    this.#shared = ((mailbox[3] as number) & 1) !== 0;
    this.#readonly = ((mailbox[3] as number) & 2) !== 0;
    this.#memory = new CacheMemory(
      handle,
      mailbox[0] as number,
      mailbox[4] as number,
      manners.warnUnreleased,
    );
    this.#waits = new Waits(this.#memory);
    this.#ttl = manners.ttl;
  }

  /**
   * Makes an empty cache. Errors: those of SharedRegion.create; RangeError ERR_OUT_OF_RANGE for capacity, maxEntries, fillTimeout, ttl.
   */
  static create(options: CacheOptions): VolatileCache {
    const o = cacheOptions(options, native.pageSize);
    const handle = native.createCache(
      o.name,
      o.capacity,
      o.maxEntries,
      o.backend,
      o.scope === 'shared',
      o.maxProcesses,
      o.busyTimeout,
      o.reclaimer,
      o.fillTimeout,
    );
    return new VolatileCache(made, handle, o);
  }

  /** Attaches to the cache in `fd`, which is duplicated. Errors: those of SharedRegion.fromFd; ERR_UNTRUSTED_FD for what is no cache. */
  static fromFd(fd: number, options?: CacheAttachOptions): VolatileCache {
    const o = cacheAttachOptions(fd, options);
    const handle = native.attachCache(o.fd, o.backend, o.busyTimeout, o.reclaimer, o.fillTimeout);
    return new VolatileCache(made, handle, o);
  }

  get fd(): number {
    this.#address();
    if (!this.#shared) {
      throw new AshmemError('ERR_NOT_SHAREABLE', "a cache with scope 'process' has no file descriptor");
    }
    return native.cacheFd();
  }

  get name(): string {
    this.#address();
    return native.cacheName();
  }

  get backend(): Backend {
    this.#address();
    return native.cacheBackend() as Backend;
  }

  get scope(): Scope {
    return this.#shared ? 'shared' : 'process';
  }

  get readonly(): boolean {
    return this.#readonly;
  }

  get closed(): boolean {
    return this.#memory.closed;
  }

  get size(): number {
    this.#address();
    native.cacheCount();
    this.#outcome();
    return mailbox[3] as number;
  }

  get max(): number {
    return this.#max;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get maxSize(): number {
    return this.#capacity;
  }

  get(key: CacheKey): CacheEntry | undefined {
    const memory = this.#memory;
    if (typeof key === 'string') {
      const place = this.#places.get(key);
      if (place !== undefined) {
        mailbox[0] = memory.id;
        mailbox[9] = place.record;
        mailbox[10] = place.version;
        native.cacheGetAgain();
        if (mailbox[2] === 1) return new Entry(memory, place);
        if (mailbox[2] === 0) return undefined;
      }
    }
    this.#keyed(key);
    mailbox[3] = 1;
    native.cacheGet();
    if (this.#outcome() === 0) return undefined;
    if (typeof key !== 'string') return new Entry(memory);
    return new Entry(memory, this.#places.remember(key, mailbox[9] as number, mailbox[10] as number));
  }

  peek(key: CacheKey): CacheEntry | undefined {
    this.#keyed(key);
    mailbox[3] = 0;
    native.cacheGet();
    return this.#outcome() === 0 ? undefined : new Entry(this.#memory);
  }

  /** Errors: ERR_VALUE_TOO_LARGE; ERR_NO_SPACE when what is held leaves no room. */
  set(key: CacheKey, bytes: Uint8Array, options?: SetOptions): this {
    if (!(bytes instanceof Uint8Array)) throw typeError('bytes', 'a Uint8Array', bytes);
    const { meta, priority, ttl } = extras(options, this.#ttl);
    this.#keyed(key);
    mailbox[2] = ttl;
    mailbox[3] = priority;
    mailbox[4] = PUBLISH_SET;
    native.cachePut(bytes, meta);
    this.#outcome();
    return this;
  }

  fillInto(
    key: CacheKey,
    size: number,
    fill: (bytes: Uint8Array) => Promise<void>,
    options?: SetOptions,
  ): Promise<CacheEntry>;
  fillInto(key: CacheKey, size: number, fill: (bytes: Uint8Array) => void, options?: SetOptions): CacheEntry;
  fillInto(
    someKey: CacheKey,
    size: number,
    fill: (bytes: Uint8Array) => unknown,
    options?: SetOptions,
  ): CacheEntry | Promise<CacheEntry> {
    integer('size', size, 0, Number.MAX_SAFE_INTEGER);
    if (typeof fill !== 'function') throw typeError('fill', 'a function', fill);
    const { meta, priority, ttl } = extras(options, this.#ttl);
    const key = keepKey(someKey);
    this.#keyed(key);
    mailbox[2] = size;
    mailbox[3] = priority;
    native.cacheReserve(meta);
    this.#outcome();
    const pin = mailbox[3] as number;
    const abandon = (error: unknown): never => {
      if (!this.#memory.closed) {
        mailbox[0] = this.#memory.id;
        mailbox[3] = pin;
        native.cacheAbandon();
      }
      throw error;
    };
    const publish = (): CacheEntry => {
      this.#keyed(key);
      mailbox[2] = ttl;
      mailbox[3] = pin;
      mailbox[4] = PUBLISH_AND_HOLD;
      native.cachePublish();
      this.#outcome();
      return new Entry(this.#memory);
    };
    let written: unknown;
    try {
      written = fill(this.#memory.view(mailbox[4] as number, size));
    } catch (error) {
      return abandon(error);
    }
    if (typeof (written as { then?: unknown } | undefined | null)?.then !== 'function') return publish();
    return Promise.resolve(written).then(publish, abandon);
  }

  /**
   * Errors: what `fill` throws, to its own caller alone: the next who waits takes over. ERR_VALUE_TOO_LARGE, ERR_NO_SPACE. The signal's
   * reason.
   */
  getOrFill(key: CacheKey, fill: Fill, options: FillOptions = noOptions): Promise<CacheEntry> {
    try {
      if (typeof fill !== 'function') throw typeError('fill', 'a function', fill);
      const { signal } = object('options', options) as FillOptions;
      if (signal !== undefined && !(signal instanceof AbortSignal)) {
        throw typeError('signal', 'an AbortSignal', signal);
      }
      extras(options, this.#ttl);
      signal?.throwIfAborted();
      const entry = this.get(key);
      if (entry) return Promise.resolve(entry);
      return fillOnce({ memory: this.#memory, waits: this.#waits, ttl: this.#ttl }, key, fill, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryRead<T>(key: CacheKey, fn: (bytes: Uint8Array, meta: Json | undefined) => T): T | undefined {
    if (typeof fn !== 'function') throw typeError('fn', 'a function', fn);
    this.#keyed(key);
    native.cacheBeginRead();
    if (this.#outcome() === 0) return undefined;
    const read = mailbox[3] as number;
    const offset = mailbox[4] as number;
    const size = mailbox[5] as number;
    const metaLength = mailbox[6] as number;
    const metaOffset = offset + size + (mailbox[7] as number);
    const end = (): boolean => {
      if (this.#memory.closed) return false;
      mailbox[0] = this.#memory.id;
      mailbox[3] = read;
      native.cacheEndRead();
      return mailbox[2] === 1;
    };
    let result: T;
    let valid = false;
    try {
      const meta = metaLength === 0 ? undefined : decodeMeta(this.#memory.view(metaOffset, metaLength));
      result = fn(this.#memory.view(offset, size), meta);
    } catch (error) {
      // Of bytes that were not whole, nothing can be concluded, an error neither.
      if (end()) throw error;
      return undefined;
    }
    valid = end();
    return valid ? result : undefined;
  }

  has(key: CacheKey): boolean {
    this.#keyed(key);
    native.cacheHas();
    return this.#outcome() === 1;
  }

  delete(key: CacheKey): boolean {
    this.#keyed(key);
    native.cacheRemove();
    return this.#outcome() === 1;
  }

  clear(): void {
    this.#address();
    native.cacheClear();
    this.#outcome();
  }

  purgeStale(): boolean {
    this.#address();
    native.cachePurgeStale();
    return this.#outcome() === 1;
  }

  purge(): number {
    this.#address();
    native.cachePurge();
    this.#outcome();
    return mailbox[3] as number;
  }

  stats(): CacheStats {
    this.#address();
    return native.cacheStats();
  }

  keys(): IterableIterator<string>;
  keys(as: 'bytes'): IterableIterator<Uint8Array>;
  *keys(as?: 'bytes'): IterableIterator<string | Uint8Array> {
    for (const entry of this.#walk()) {
      const key = Entry.key(entry);
      entry.release();
      yield as === 'bytes' ? key : decoder.decode(key);
    }
  }

  *values(): IterableIterator<CacheEntry> {
    yield* this.#walk();
  }

  *entries(): IterableIterator<[string, CacheEntry]> {
    for (const entry of this.#walk()) yield [decoder.decode(Entry.key(entry)), entry];
  }

  [Symbol.iterator](): IterableIterator<[string, CacheEntry]> {
    return this.entries();
  }

  forEach(fn: (entry: CacheEntry, key: string, cache: this) => void): void {
    if (typeof fn !== 'function') throw typeError('fn', 'a function', fn);
    for (const [key, entry] of this.entries()) fn(entry, key, this);
  }

  /**
   * Releases all entries of this object and lets the memory go. Views read as zeros from then on; who waits in getOrFill() is rejected with
   * ERR_REGION_CLOSED. Other processes keep the cache. Safe to repeat.
   */
  close(): void {
    if (this.#memory.closed) return;
    this.#memory.close();
    this.#waits.close();
    this.#places.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  *#walk(): Generator<Entry> {
    for (let record = 0; ; ) {
      this.#address();
      mailbox[1] = record;
      native.cacheNext();
      if (this.#outcome() === 0) return;
      record = mailbox[1] as number;
      const entry = new Entry(this.#memory);
      try {
        yield entry;
      } finally {
        entry.release();
      }
    }
  }

  #address(): void {
    this.#memory.assertOpen();
    mailbox[0] = this.#memory.id;
  }

  #keyed(key: CacheKey): void {
    writeKey(key);
    this.#address();
  }

  #outcome(): number {
    const result = mailbox[2] as number;
    if (result === -1) throw this.#memory.error();
    return result;
  }
}

import type { Json } from '../channel/json.ts';
import type { Backend, Scope } from '../region/options.ts';
import type { Priority } from '../region/priority.ts';

/** At most 64 KiB of bytes. A string stands for its UTF-8 bytes: equal bytes are the same key. */
export type CacheKey = string | Uint8Array;

/** What VolatileCache.create() takes. */
export interface CacheOptions {
  /** Bytes for entries, keys and meta included. At least one page. */
  capacity: number;
  /** Entries at most. Default: one for each 4 KiB of capacity, at least 1024. */
  maxEntries?: number;
  /** Default: the best one that works here for the scope. */
  backend?: Backend;
  /** 'process': memory of this process alone, which the kernel itself may take. Default: 'shared'. */
  scope?: Scope;
  /** For people: shows in /proc/PID/maps. At most 249 bytes of UTF-8. Default: empty. */
  name?: string;
  /** Processes at once, 1 to 1020. Default: 60. */
  maxProcesses?: number;
  /** Milliseconds that a call waits for another process's purge or lock before ERR_REGION_BUSY. Default: 1000. */
  busyTimeout?: number;
  /** Whether this process discards unpinned entries by itself when memory gets short. Default: true. */
  reclaimer?: boolean;
  /** Milliseconds after which the fill of another process or caller is held to be stuck, and taken over. Default: 10000. */
  fillTimeout?: number;
  /** Milliseconds that an entry is good for, unless its set() says otherwise; 0: for ever. Default: 0. */
  ttl?: number;
  /** For development: warn of entries that were collected without release(), and release them. Costs each get() a good deal. Default: false. */
  warnUnreleased?: boolean;
}

/** What VolatileCache.fromFd() takes. */
export interface CacheAttachOptions {
  backend?: Backend;
  busyTimeout?: number;
  reclaimer?: boolean;
  fillTimeout?: number;
  ttl?: number;
  warnUnreleased?: boolean;
}

/** What goes with an entry. */
export interface SetOptions {
  /** A JSON value, kept beside the bytes. */
  meta?: Json;
  /** What goes first when memory is short. Default: 'normal'. */
  priority?: Priority;
  /** Milliseconds that the entry is good for; 0: for ever. Default: the cache's. */
  ttl?: number;
}

/** What a fill gives: bytes, or bytes and what goes with them. */
export type Filled = Uint8Array | ({ bytes: Uint8Array } & SetOptions);

/** What getOrFill() takes besides. */
export interface FillOptions extends SetOptions {
  /** Ends the wait of this caller with the signal's reason. A fill of its own is given up: its outcome is ignored, and others take over. */
  signal?: AbortSignal;
}

/** What a fill is told. */
export interface FillContext {
  /** Aborted when the caller's signal is: what the fill gives is ignored then. */
  signal: AbortSignal;
}

export type Fill = (key: CacheKey, context: FillContext) => Filled | Promise<Filled>;

/** An entry, pinned: its bytes stay what they are until release(), whatever becomes of the cache. */
export interface CacheEntry extends Disposable {
  /** The value, zero-copy: not to be written to. Do not keep it, nor views of it, beyond release(). ERR_ENTRY_RELEASED. */
  readonly bytes: Uint8Array;
  /** Bytes of the value; good after release() too. */
  readonly size: number;
  /** What set() was given as `meta`, parsed when first asked for; undefined if there was none. ERR_ENTRY_RELEASED before it was. */
  readonly meta: Json | undefined;
  /** Milliseconds that are left of its ttl; Infinity without one. */
  readonly remainingTtl: number;
  readonly released: boolean;
  /** Ends the pin. Safe to repeat. */
  release(): void;
}

/** Numbers of a cache, over all its processes, those that have ended included. */
export interface CacheStats {
  /** Entries now. */
  entries: number;
  maxEntries: number;
  /** Bytes that entries can have in all. */
  capacity: number;
  /** Bytes that entries take up of it, as cut. */
  used: number;
  hits: number;
  misses: number;
  /** Fills of getOrFill() that were begun. */
  fills: number;
  /** Calls of getOrFill() that waited for somebody else's fill. */
  waits: number;
  /** Entries that made room for others. */
  evicted: number;
  /** Entries that a get found purged. */
  purged: number;
  /** Entries that were set again after that. */
  refilled: number;
  /** Entries that a get found too old. */
  expired: number;
  /** Bytes of entries that a living process holds. */
  pinned: number;
  /** Bytes of memory that the entries take now. */
  resident: number;
  /** Bytes discarded, ever. */
  discarded: number;
  /** Bytes lost to cutting, in parts of the bytes that entries asked for: 0.1 is 10 %. */
  fragmentation: number;
}

/** The methods of VolatileCache. */
export interface Cache extends Disposable, Iterable<[string, CacheEntry]> {
  /** The cache's file descriptor, which it owns: one fd is the whole cache. ERR_NOT_SHAREABLE with scope 'process'. */
  readonly fd: number;
  readonly name: string;
  readonly backend: Backend;
  readonly scope: Scope;
  readonly readonly: boolean;
  readonly closed: boolean;
  /** Entries now, purged and expired ones included. */
  readonly size: number;
  /** Entries at most. */
  readonly max: number;
  /** Bytes that entries can have in all. */
  readonly capacity: number;
  /** The same, as lru-cache calls it. */
  readonly maxSize: number;
  /** The entry, pinned until its release(), or undefined: not there, purged, or too old. */
  get(key: CacheKey): CacheEntry | undefined;
  /** As get(), without counting as a use. */
  peek(key: CacheKey): CacheEntry | undefined;
  /** Puts a copy of `bytes` there, in place of what was. */
  set(key: CacheKey, bytes: Uint8Array, options?: SetOptions): this;
  /** As set() without the copy: `fill` writes the `size` bytes, at once or until its promise settles. */
  fillInto(
    key: CacheKey,
    size: number,
    fill: (bytes: Uint8Array) => Promise<void>,
    options?: SetOptions,
  ): Promise<CacheEntry>;
  fillInto(key: CacheKey, size: number, fill: (bytes: Uint8Array) => void, options?: SetOptions): CacheEntry;
  /** The entry, pinned; if it is not there, `fill` is called by one of all who ask, in whichever process, and the others wait for it. */
  getOrFill(key: CacheKey, fill: Fill, options?: FillOptions): Promise<CacheEntry>;
  /**
   * Calls `fn` with the bytes, without a pin and without a write to shared memory. Its result, if the entry stayed whole throughout;
   * else undefined. `fn` must be synchronous, must not trust what it reads, and keeps no reference to it.
   */
  tryRead<T>(key: CacheKey, fn: (bytes: Uint8Array, meta: Json | undefined) => T): T | undefined;
  has(key: CacheKey): boolean;
  /** True if there was such an entry. */
  delete(key: CacheKey): boolean;
  clear(): void;
  /** The keys at this moment, in no order. */
  keys(): IterableIterator<string>;
  keys(as: 'bytes'): IterableIterator<Uint8Array>;
  /** Entries, each pinned until the next is asked for or the iteration ends. */
  entries(): IterableIterator<[string, CacheEntry]>;
  values(): IterableIterator<CacheEntry>;
  forEach(fn: (entry: CacheEntry, key: string, cache: this) => void): void;
  /** Takes out what is too old or purged; whether there was any. */
  purgeStale(): boolean;
  stats(): CacheStats;
  /** Discards the bytes of all entries that nobody holds, now; bytes discarded. */
  purge(): number;
  close(): void;
}

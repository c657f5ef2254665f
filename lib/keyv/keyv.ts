import { EventEmitter } from 'node:events';
import type { CacheOptions } from '../cache/types.ts';
import { VolatileCache } from '../cache/volatile-cache.ts';
import { typeError } from '../errors.ts';
import type { Priority } from '../region/priority.ts';

export interface KeyvVolatileOptions {
  /** What goes first when memory is short. Default: 'normal'. */
  priority?: Priority;
}

/**
 * A storage adapter for Keyv: `new Keyv({ store: new KeyvVolatile(cache) })`. All processes that have the cache see the same values. Takes
 * a cache, which stays its owner's to close, or what VolatileCache.create() takes: then disconnect() closes it.
 *
 * Values are kept as the text that Keyv makes of them. One that is purged, evicted or too old is missing; where that must not be, put another
 * store behind (docs/cache-recipes.md).
 */
export class KeyvVolatile extends EventEmitter {
  readonly cache: VolatileCache;
  /** Keyv goes through the keys of those adapters alone whose dialect it knows by name; nothing else of it is asked. */
  readonly opts: { dialect: string; url: string; cache: VolatileCache };
  /** Set by Keyv, which puts it in front of each key as well. */
  namespace?: string | undefined;
  readonly #own: boolean;
  readonly #priority: Priority;

  constructor(cache: VolatileCache | CacheOptions, options: KeyvVolatileOptions = {}) {
    super();
    if (typeof cache !== 'object' || cache === null)
      throw typeError('cache', 'a VolatileCache or its options', cache);
    this.#own = !(cache instanceof VolatileCache);
    this.cache = cache instanceof VolatileCache ? cache : VolatileCache.create(cache);
    this.#priority = options.priority ?? 'normal';
    this.opts = { dialect: 'redis', url: '', cache: this.cache };
  }

  async get(key: string): Promise<string | undefined> {
    const entry = this.cache.get(key);
    if (!entry) return undefined;
    try {
      return text(entry.bytes);
    } finally {
      entry.release();
    }
  }

  async getMany(keys: string[]): Promise<(string | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  /** `ttl` in milliseconds. A value that is not text is kept as its JSON. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const bytes = Buffer.from(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
    // Keyv's own time is in the value; the cache's makes room when it is over. 0 is for ever, to both.
    if (ttl !== undefined && ttl < 0) this.cache.delete(key);
    else this.cache.set(key, bytes, { priority: this.#priority, ttl: Math.ceil(ttl ?? 0) });
    return true;
  }

  async setMany(entries: { key: string; value: unknown; ttl?: number }[]): Promise<void> {
    for (const { key, value, ttl } of entries) await this.set(key, value, ttl);
  }

  async delete(key: string): Promise<boolean> {
    return this.cache.delete(key);
  }

  async deleteMany(keys: string[]): Promise<boolean> {
    return keys.map((key) => this.cache.delete(key)).some(Boolean);
  }

  async has(key: string): Promise<boolean> {
    return this.cache.has(key);
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return keys.map((key) => this.cache.has(key));
  }

  /** Of a namespace its own keys, else everything. */
  async clear(): Promise<void> {
    if (this.namespace === undefined) {
      this.cache.clear();
      return;
    }
    for (const key of [...this.cache.keys()]) {
      if (key.startsWith(`${this.namespace}:`)) this.cache.delete(key);
    }
  }

  async *iterator(namespace?: string): AsyncGenerator<[string, string], void> {
    for (const key of [...this.cache.keys()]) {
      if (namespace !== undefined && !key.startsWith(`${namespace}:`)) continue;
      const value = await this.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  async disconnect(): Promise<void> {
    if (this.#own) this.cache.close();
  }
}

const text = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');

export default KeyvVolatile;

import { decodeJson, type Json } from '../channel/json.ts';
import { AshmemError } from '../errors.ts';
import { native } from '../native.ts';
import type { CacheMemory } from './memory.ts';
import type { Place } from './places.ts';
import type { CacheEntry } from './types.ts';

const { cacheMailbox: mailbox } = native;
const released = -1;

/** An entry that get() and its like have left in the mailbox, pinned. */
export class Entry implements CacheEntry {
  readonly #memory: CacheMemory;
  readonly #place: Place | undefined;
  readonly #offset: number;
  readonly #size: number;
  readonly #metaLength: number;
  readonly #keyLength: number;
  readonly #expires: number;
  #pin: number;
  #bytes: Uint8Array | undefined;
  #meta: Json | undefined;

  constructor(memory: CacheMemory, place?: Place) {
    this.#memory = memory;
    this.#place = place;
    this.#pin = mailbox[3] as number;
    this.#offset = mailbox[4] as number;
    this.#size = mailbox[5] as number;
    this.#metaLength = mailbox[6] as number;
    this.#keyLength = mailbox[7] as number;
    this.#expires = mailbox[8] as number;
    memory.watch?.register(this, this.#pin, this);
  }

  get bytes(): Uint8Array {
    this.#assertHeld();
    const known = this.#bytes ?? this.#place?.bytes;
    // One whose buffer was transferred away has no length.
    if (known !== undefined && known.byteLength === this.#size) return known;
    const bytes = this.#memory.view(this.#offset, this.#size);
    if (this.#place !== undefined) this.#place.bytes = bytes;
    else this.#bytes = bytes;
    return bytes;
  }

  get size(): number {
    return this.#size;
  }

  get meta(): Json | undefined {
    if (this.#metaLength === 0 || this.#meta !== undefined) return this.#meta;
    this.#assertHeld();
    const at = this.#offset + this.#size + this.#keyLength;
    this.#meta = decodeMeta(this.#memory.view(at, this.#metaLength));
    return this.#meta;
  }

  get remainingTtl(): number {
    return this.#expires === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#expires - native.monotonicMs());
  }

  get released(): boolean {
    return this.#pin === released || this.#memory.closed;
  }

  release(): void {
    const pin = this.#pin;
    if (pin === released) return;
    this.#pin = released;
    this.#bytes = undefined;
    const memory = this.#memory;
    if (memory.closed) return;
    memory.watch?.unregister(this);
    mailbox[0] = memory.id;
    mailbox[3] = pin;
    native.cacheRelease();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** The bytes of its key. */
  static key(entry: Entry): Uint8Array {
    entry.#assertHeld();
    return entry.#memory.view(entry.#offset + entry.#size, entry.#keyLength).slice();
  }

  #assertHeld(): void {
    this.#memory.assertOpen();
    if (this.#pin === released) {
      throw new AshmemError('ERR_ENTRY_RELEASED', 'the entry has been released: its bytes may be gone');
    }
  }
}

const decoder = new TextDecoder();

/** The value of the meta in these bytes, which any process of the cache may have written. ERR_BAD_MESSAGE. */
export function decodeMeta(bytes: Uint8Array): Json {
  return decodeJson(decoder.decode(bytes));
}

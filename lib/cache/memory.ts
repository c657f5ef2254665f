import { constants } from 'node:buffer';
import { AshmemError } from '../errors.ts';
import { native } from '../native.ts';

const { cacheMailbox: mailbox } = native;
const owner = Symbol('ashmem-compat.cache');

/** What a cache and its entries have in common: its number in the addon, and its bytes. */
export class CacheMemory {
  readonly id: number;
  closed = false;
  /** Of entries that are collected before they are released, if somebody wants to know. Their pins are held by number. */
  readonly watch: FinalizationRegistry<number> | undefined;
  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: held so that the cache stays open while this object is reachable
  readonly #handle: object;
  readonly #length: number;
  #buffer: ArrayBuffer | undefined;

  constructor(handle: object, id: number, length: number, warnUnreleased: boolean) {
    this.#handle = handle;
    this.id = id;
    this.#length = length;
    if (warnUnreleased) this.watch = new FinalizationRegistry((pin) => this.#lost(pin));
  }

  view(offset: number, length: number): Uint8Array {
    if (this.#length > constants.MAX_LENGTH) return new Uint8Array(this.#window(offset, length));
    // After a transfer() elsewhere it is detached, and there is a new one.
    if (this.#buffer === undefined || this.#buffer.byteLength === 0)
      this.#buffer = this.#window(0, this.#length);
    return new Uint8Array(this.#buffer, offset, length);
  }

  assertOpen(): void {
    if (this.closed) throw new AshmemError('ERR_REGION_CLOSED', 'the cache is closed');
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#buffer = undefined;
    mailbox[0] = this.id;
    native.closeCache();
  }

  /** What the last call left as an error. */
  error(): Error {
    return this.closed ? new AshmemError('ERR_REGION_CLOSED', 'the cache is closed') : native.cacheError();
  }

  #window(offset: number, length: number): ArrayBuffer {
    this.assertOpen();
    if (length === 0) return new ArrayBuffer(0);
    mailbox[0] = this.id;
    mailbox[4] = offset;
    mailbox[5] = length;
    const buffer = native.cacheWindow();
    if (buffer === undefined) {
      throw new AshmemError('ERR_SYSTEM', 'this JavaScript engine allows no ArrayBuffer over foreign memory');
    }
    // Whoever keeps the bytes keeps the cache.
    Object.defineProperty(buffer, owner, { value: this });
    return buffer;
  }

  #lost(pin: number): void {
    if (this.closed) return;
    mailbox[0] = this.id;
    mailbox[3] = pin;
    native.cacheRelease();
    process.emitWarning('an entry of a VolatileCache was collected without release()', {
      code: 'ASHMEM_COMPAT_UNRELEASED',
    });
  }
}

import { EventEmitter } from 'node:events';
import { emitToEach } from '../emit.ts';
import { typeError, valueError } from '../errors.ts';
import type { NativeRegion } from './native-types.ts';

/**
 * Who discarded: 'pressure' this process's reclaimer; 'request' a purge() in this process; 'kernel' the kernel, as far as pins and looks of
 * the region's processes were told; 'peer' another process.
 */
export type PurgeReason = 'pressure' | 'request' | 'kernel' | 'peer';

/** Bytes of a region that were discarded, as its 'purge' event tells. */
export interface PurgeEvent {
  bytes: number;
  reason: PurgeReason;
}

/** The order of `struct DiscardTotals` in native/core/discards.h. */
const reasons: readonly PurgeReason[] = ['pressure', 'request', 'kernel', 'peer'];

/** The 'purge' event of one region. Watches the region only while there are listeners. */
export class PurgeEvents {
  readonly #native: NativeRegion;
  readonly #id: number;
  readonly #emitter = new EventEmitter();
  /** Kept here, as the addon does not: with the region it is collected. */
  readonly #callback = (...bytes: number[]) => this.#hear(bytes);
  #watching = false;

  constructor(native: NativeRegion, id: number) {
    this.#native = native;
    this.#id = id;
  }

  add(event: unknown, listener: unknown, once: boolean): void {
    this.#check(event, listener);
    if (!this.#watching) {
      this.#native.mailbox[0] = this.#id;
      this.#native.watchPurges(this.#callback);
      this.#watching = true;
    }
    if (once) this.#emitter.once('purge', listener as () => void);
    else this.#emitter.on('purge', listener as () => void);
  }

  remove(event: unknown, listener: unknown): void {
    this.#check(event, listener);
    this.#emitter.off('purge', listener as () => void);
    this.#stopIfIdle();
  }

  /** With the region: the addon has stopped by itself. */
  close(): void {
    this.#watching = false;
    this.#emitter.removeAllListeners();
  }

  #check(event: unknown, listener: unknown): void {
    if (event !== 'purge') {
      throw typeof event === 'string'
        ? valueError('event', "'purge'", event)
        : typeError('event', 'a string', event);
    }
    if (typeof listener !== 'function') throw typeError('listener', 'a function', listener);
  }

  #stopIfIdle(): void {
    if (!this.#watching || this.#emitter.listenerCount('purge') > 0) return;
    this.#watching = false;
    this.#native.mailbox[0] = this.#id;
    this.#native.unwatchPurges();
  }

  #hear(bytes: number[]): void {
    for (const [i, reason] of reasons.entries()) {
      const event: PurgeEvent = { bytes: bytes[i] ?? 0, reason };
      if (event.bytes > 0) emitToEach(this.#emitter, 'purge', event);
    }
    this.#stopIfIdle(); // the last one may have been a once()
  }
}

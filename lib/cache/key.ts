import { rangeError, typeError } from '../errors.ts';
import { native } from '../native.ts';
import type { CacheKey } from './types.ts';

/** The bytes that a key can have at most. */
export const MAX_KEY_BYTES = 65_536;

const staging = native.cacheKey;
const mailbox = native.cacheMailbox;
const encoder = new TextEncoder();

function tooLong(): RangeError {
  return rangeError(`key must be at most ${MAX_KEY_BYTES} bytes`);
}

function writeLong(key: unknown): number {
  if (typeof key === 'string') {
    const { read, written } = encoder.encodeInto(key, staging);
    if (read < key.length || written > MAX_KEY_BYTES) throw tooLong();
    return written;
  }
  if (!(key instanceof Uint8Array)) throw typeError('key', 'a string or a Uint8Array', key);
  if (key.byteLength > MAX_KEY_BYTES) throw tooLong();
  staging.set(key);
  return key.byteLength;
}

/** Puts the bytes of a key where the addon's next call finds them. Errors: TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE. */
export function writeKey(key: CacheKey): void {
  // A loop is faster than a call of the engine's encoder up to about this length.
  if (typeof key === 'string' && key.length <= 48) {
    const length = key.length;
    let i = 0;
    for (; i < length; i++) {
      const code = key.charCodeAt(i);
      if (code > 127) break;
      staging[i] = code;
    }
    if (i === length) {
      mailbox[1] = length;
      return;
    }
  }
  mailbox[1] = writeLong(key);
}

/** A key that the caller cannot change while it is being used. */
export function keepKey(key: CacheKey): CacheKey {
  // Not slice(): that of a Buffer is a view.
  return key instanceof Uint8Array ? new Uint8Array(key) : key;
}

import { Readable } from 'node:stream';
import { rangeError, typeError } from '../errors.ts';
import type { CacheEntry } from './types.ts';

export interface EntryStreamOptions {
  /** First byte. Default: 0. */
  start?: number;
  /** One behind the last. Default: the size. */
  end?: number;
  /** Bytes of a piece. Default: 64 KiB. */
  pieceSize?: number;
}

/**
 * The bytes of an entry as a stream that owns the entry: it is released when the stream is over, by its end, an error or destroy(), and not
 * before. For a response whose sender may be slow, gone, or aborted.
 *
 * The pieces are copies: a consumer may keep them (sockets do, until the kernel has taken them), and then the pin must not
 * end under them. To send without a copy use sendEntry().
 */
export function entryStream(entry: CacheEntry, options: EntryStreamOptions = {}): Readable {
  if (typeof entry !== 'object' || entry === null) throw typeError('entry', 'an entry of a cache', entry);
  const { start = 0, end = entry.size, pieceSize = 2 ** 16 } = options;
  const whole = [start, end, pieceSize].every(Number.isSafeInteger);
  if (!whole || start < 0 || end < start || end > entry.size || pieceSize < 1) {
    throw rangeError(`start, end and pieceSize must be integers within the ${entry.size} bytes of the entry`);
  }
  let at = start;
  return new Readable({
    highWaterMark: pieceSize,
    read() {
      try {
        if (at === end) {
          this.push(null);
          return;
        }
        const piece = Buffer.from(entry.bytes.subarray(at, Math.min(at + pieceSize, end)));
        at += piece.length;
        this.push(piece);
      } catch (error) {
        this.destroy(error as Error);
      }
    },
    destroy(error, callback) {
      entry.release();
      callback(error);
    },
  });
}

/** What sendEntry() needs of a response: node:http's, and that of frameworks that hand it out (fastify: reply.raw after reply.hijack()). */
export interface EntryTarget {
  end(bytes: Uint8Array): unknown;
  once(event: 'close', listener: () => void): unknown;
  readonly destroyed?: boolean;
}

/**
 * Ends `response` with the bytes of an entry, without a copy of ours, and releases the entry when the response is closed: sent, failed, or left
 * by its client. Headers are the caller's; the length is entry.size.
 */
export function sendEntry(response: EntryTarget, entry: CacheEntry): void {
  if (response.destroyed) {
    entry.release();
    return;
  }
  response.once('close', () => entry.release());
  try {
    response.end(entry.bytes);
  } catch (error) {
    entry.release();
    throw error;
  }
}

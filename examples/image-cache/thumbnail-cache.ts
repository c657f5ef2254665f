import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { PinResult, SharedRegion } from '../../lib/index.ts';
import { CacheIndex, type Contents } from './cache-index.ts';
import { CHANNELS, type Layout } from './layout.ts';

/** Raw pixels: `width * height * 3` bytes, red, green, blue. */
export interface Image {
  width: number;
  height: number;
  pixels: Uint8Array;
}

/** What happened on the way to a thumbnail. */
export interface Outcome {
  /** We had to decode it. */
  decoded: boolean;
  /** It had been there, and pin() told us that it was discarded since we last held it. */
  purged: boolean;
  /** Another worker was decoding it, and we waited for that. */
  waited: boolean;
}

/** The bytes of an image are not those that were stored. It must never happen. */
export class ChecksumError extends Error {}

/** How long to wait for another worker's decoding before doing it ourselves, in milliseconds. */
const PATIENCE = 10_000;
const POLL = 2;

/** Thumbnails in a region that several processes share. Every process makes one of these over its own SharedRegion object. */
export class ThumbnailCache {
  readonly #region: SharedRegion;
  readonly #layout: Layout;
  readonly #index: CacheIndex;

  constructor(region: SharedRegion, layout: Layout) {
    this.#region = region;
    this.#layout = layout;
    this.#index = new CacheIndex(region, layout);
  }

  /**
   * Calls `use` with the thumbnail in `slot`, after `decode` has made it if nobody has or its bytes were discarded. The slot is
   * pinned all the while, so nobody can take the bytes away under `use`; `use` must not keep them.
   */
  async access(slot: number, decode: () => Promise<Image>, use: (image: Image) => void): Promise<Outcome> {
    const offset = this.#layout.slotOffset(slot);
    const state = this.#region.pin(offset, this.#layout.slotBytes);
    try {
      const outcome = await this.#ensureFilled(slot, state, decode);
      const contents = this.#index.contents(slot)!;
      const pixels = this.#pixels(slot, contents);
      const checksum = crc32(pixels);
      if (checksum !== contents.checksum) {
        throw new ChecksumError(
          `the bytes of thumbnail ${slot} are not those that were stored: ${checksum}, not ${contents.checksum}`,
        );
      }
      use({ width: contents.width, height: contents.height, pixels });
      return outcome;
    } finally {
      this.#region.unpin(offset, this.#layout.slotBytes);
    }
  }

  /** Returns when the slot, which we have pinned with the result `pinned`, holds its thumbnail. */
  async #ensureFilled(slot: number, pinned: PinResult, decode: () => Promise<Image>): Promise<Outcome> {
    const deadline = Date.now() + PATIENCE;
    const before = this.#index.contents(slot);
    const outcome = { decoded: false, purged: pinned === 'purged' && before !== undefined, waited: false };
    for (;;) {
      const state = this.#index.state(slot);
      if (state < 0 && (pinned === 'kept' || this.#isIntact(slot))) return outcome;

      // Somebody is at it. If that process died, or seems to be stuck, we go on in its place. Should it wake up later, nothing is
      // spoilt: it still has its pin, and what it writes are the same pixels.
      if (state > 0 && isAlive(state) && Date.now() < deadline) {
        outcome.waited = true;
        await sleep(POLL);
        continue;
      }

      // Empty, discarded or abandoned. One of those who want it gets the claim, the others come back here and wait for it.
      if (!this.#index.claim(slot, state)) continue;
      try {
        await this.#fill(slot, decode, before);
        outcome.decoded = true;
        return outcome;
      } catch (error) {
        this.#index.giveUp(slot); // or it would pass for filled: pin() tells each of us of a loss only once
        throw error;
      }
    }
  }

  /**
   * Whether the slot that we found purged holds the right bytes now. pin() tells every process of a discard, each once: also one
   * that comes when another has long refilled the slot. So 'purged' does not say that the bytes are gone, it says that they cannot
   * be taken on trust. While we have the pin they cannot go any more, and the checksum tells which it is.
   */
  #isIntact(slot: number): boolean {
    const contents = this.#index.contents(slot)!;
    return crc32(this.#pixels(slot, contents)) === contents.checksum;
  }

  async #fill(slot: number, decode: () => Promise<Image>, before: Contents | undefined): Promise<void> {
    const { width, height, pixels } = await decode();
    const checksum = crc32(pixels);
    if (before !== undefined && before.checksum !== checksum) {
      throw new ChecksumError(
        `thumbnail ${slot} was decoded again and came out different: ${checksum}, not ${before.checksum}`,
      );
    }
    this.#pixels(slot, { width, height }).set(pixels);
    this.#index.publish(slot, { width, height, checksum });
  }

  #pixels(slot: number, { width, height }: { width: number; height: number }): Uint8Array {
    const length = width * height * CHANNELS;
    if (length > this.#layout.slotBytes) throw new RangeError(`${width} x ${height} pixels are too many`);
    return this.#region.view(this.#layout.slotOffset(slot), length);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

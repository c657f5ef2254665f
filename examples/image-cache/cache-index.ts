import type { SharedRegion } from '../../lib/index.ts';
import { ENTRY_BYTES, type Layout } from './layout.ts';

// Words of an entry.
const STATE = 0;
const FILLS = 1;
const WIDTH = 2;
const HEIGHT = 3;
const CHECKSUM = 4;
const WORDS = ENTRY_BYTES / Int32Array.BYTES_PER_ELEMENT;

/** The state of a slot that was never filled. */
const EMPTY = 0;

/** What a slot holds once it is filled. */
export interface Contents {
  width: number;
  height: number;
  /** CRC-32 of the pixels. */
  checksum: number;
}

/**
 * What every slot holds, for all processes. The state of a slot is one word:
 *
 *       0    empty
 *     pid    being filled by that process
 *      -n    filled; the n-th time
 *
 * Whoever wants to fill a slot must get its pid into the word by compare-and-swap, so two never fill at once. The count makes
 * every filled state a different one: a swap from "-3" fails if somebody has refilled the slot meanwhile.
 *
 * The words are reached through Atomics, which work between processes as between threads: the memory is the same.
 */
export class CacheIndex {
  readonly #words: Int32Array;

  constructor(region: SharedRegion, layout: Layout) {
    const { buffer, byteOffset } = region.view(0, layout.indexBytes);
    this.#words = new Int32Array(buffer, byteOffset, layout.slots * WORDS);
  }

  state(slot: number): number {
    return Atomics.load(this.#words, slot * WORDS + STATE);
  }

  /** From `expected` to "being filled by us". False if the state is another by now. */
  claim(slot: number, expected: number): boolean {
    return Atomics.compareExchange(this.#words, slot * WORDS + STATE, expected, process.pid) === expected;
  }

  /** Ends a claim: the pixels are in the slot. Everything written before this is seen by whoever sees the new state. */
  publish(slot: number, contents: Contents): void {
    const entry = slot * WORDS;
    this.#words[entry + WIDTH] = contents.width;
    this.#words[entry + HEIGHT] = contents.height;
    this.#words[entry + CHECKSUM] = contents.checksum;
    const fills = Atomics.add(this.#words, entry + FILLS, 1) + 1;
    Atomics.store(this.#words, entry + STATE, -fills);
  }

  /** Ends a claim without having filled. */
  giveUp(slot: number): void {
    Atomics.store(this.#words, slot * WORDS + STATE, EMPTY);
  }

  /** What the slot holds, or held last; undefined if it was never filled. */
  contents(slot: number): Contents | undefined {
    const entry = slot * WORDS;
    if (Atomics.load(this.#words, entry + FILLS) === 0) return undefined;
    return {
      width: this.#words[entry + WIDTH]!,
      height: this.#words[entry + HEIGHT]!,
      checksum: this.#words[entry + CHECKSUM]! >>> 0,
    };
  }
}

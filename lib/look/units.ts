// The units of a region by state and holder: docs/protocol.md, "Unit words".

import type { RegionFile } from './file.ts';
import type { Header } from './header.ts';
import type { Owner } from './owners.ts';

const states = ['ready', 'purging', 'purged', 'refilling'] as const;
export type UnitState = (typeof states)[number];

/** Bytes of data by state; `pinned + unpinned` is the size. */
export interface UnitTotals {
  pinned: number;
  unpinned: number;
  /** Discarded, and nobody has refilled them. */
  purged: number;
  /** Units of each state. Of a pool or a cache: extents. */
  states: Record<UnitState, number>;
  /** Units, or extents, that anything was said of. */
  counted: number;
  /** Bytes that each owner holds, by slot. */
  heldBy: Map<number, number>;
  /** How often units were discarded. */
  generations: { least: number; most: number; sum: number; discardedUnits: number };
}

/** A run of neighbouring units of one state with the same holders. */
export interface Run {
  offset: number;
  length: number;
  state: UnitState;
  holders: number[];
}

const CHUNK = 2 ** 16;
/** Larger regions are not counted: 256 GiB of the smallest units. Whoever can write a header could keep us busy for ever. */
export const MOST_UNITS = 2 ** 26;

/** A table of a region, read a part at a time: `at(i)` for ascending i. */
class Table {
  readonly #file: RegionFile;
  readonly #offset: number;
  readonly #width: number;
  readonly #count: number;
  #first = 0;
  #words: Uint32Array = new Uint32Array();

  constructor(file: RegionFile, offset: number, width: number, count: number) {
    this.#file = file;
    this.#offset = offset;
    this.#width = width;
    this.#count = count;
  }

  /** 32 bits of element `index`; `high` of eight bytes the upper ones. */
  at(index: number, high = false): number {
    const per = this.#width / 4;
    if (index < this.#first || (index - this.#first) * per >= this.#words.length) {
      const count = Math.min(CHUNK, this.#count - index);
      const bytes = this.#file.read(this.#offset + index * this.#width, count * this.#width);
      this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      this.#first = index;
    }
    return this.#words[(index - this.#first) * per + (high ? 1 : 0)]!;
  }
}

/**
 * Looks at every unit. `onRun`, if there is one, is told of the runs, in order. What is read changes meanwhile: a unit is as it was when it
 * was looked at.
 */
export function countUnits(
  file: RegionFile,
  header: Header,
  owners: readonly Owner[],
  onRun?: (run: Run) => void,
): UnitTotals {
  const holding = new Set(
    owners.filter(({ state }) => state === 'alive' || state === 'elsewhere').map(({ slot }) => slot),
  );
  const { unitCount, granularity, size, wordSlots, rowsOffset, rowBytes } = header;
  const words = new Table(file, header.wordsOffset, 8, unitCount);
  const rows = [...holding]
    .filter((slot) => slot >= wordSlots)
    .map((slot) => ({
      slot,
      bits: new Table(file, rowsOffset + (slot - wordSlots) * rowBytes, 4, rowBytes / 4),
    }));
  const generations = new Table(file, header.generationsOffset, 4, unitCount);
  const spans = header.spansOffset === 0 ? undefined : new Table(file, header.spansOffset, 4, unitCount);
  const creatorHolds =
    header.creatorHold !== 0n &&
    header.creatorHold === header.creator &&
    owners.some(({ slot, life }) => slot === 0 && life === header.creator && holding.has(slot));
  const totals: UnitTotals = {
    pinned: 0,
    unpinned: 0,
    purged: 0,
    states: { ready: 0, purging: 0, purged: 0, refilling: 0 },
    counted: 0,
    heldBy: new Map(),
    generations: { least: Number.POSITIVE_INFINITY, most: 0, sum: 0, discardedUnits: 0 },
  };
  let run: Run | undefined;
  let holders: number[] = [];
  const add = (slot: number) => {
    if (holding.has(slot) && !holders.includes(slot)) holders.push(slot);
  };
  const addBits = (bits: number, first: number) => {
    for (let rest = bits; rest !== 0; rest &= rest - 1) add(first + 31 - Math.clz32(rest & -rest));
  };
  for (let unit = 0, step = 1; unit < unitCount; unit += step) {
    // A damaged table must not take us back, nor on for ever.
    if (spans) step = Math.max(1, Math.min(spans.at(unit) & 0xfffffff, unitCount - unit));
    const low = words.at(unit);
    const high = words.at(unit, true);
    const state = states[high >>> 30]!;
    if (holders.length > 0) holders = [];
    if (state !== 'purging') {
      if (creatorHolds && (high & 0x20000000) === 0) add(0);
      if (wordSlots > 0) {
        addBits(low, 0);
        addBits(high & 0x0fffffff, 32);
      }
      for (const { slot, bits } of rows) {
        if (((bits.at(unit >>> 5) >>> (unit & 31)) & 1) !== 0) add(slot);
      }
    }
    const offset = unit * granularity;
    const length = Math.min(step * granularity, size - offset);
    for (const slot of holders) totals.heldBy.set(slot, (totals.heldBy.get(slot) ?? 0) + length);
    if (holders.length > 0) totals.pinned += length;
    else totals.unpinned += length;
    if (state === 'purged') totals.purged += length;
    totals.states[state]++;
    totals.counted++;
    const generation = generations.at(unit);
    const { generations: g } = totals;
    g.least = Math.min(g.least, generation);
    g.most = Math.max(g.most, generation);
    g.sum += generation;
    if (generation > 0) g.discardedUnits++;
    if (!onRun) continue;
    if (
      run &&
      run.state === state &&
      run.holders.join() === holders.join() &&
      run.offset + run.length === offset
    ) {
      run.length += length;
    } else {
      if (run) onRun(run);
      // A list of its own: this one is written to again.
      run = { offset, length, state, holders: [...holders] };
    }
  }
  if (run) onRun?.(run);
  return totals;
}

import { readSync } from 'node:fs';
import type { SharedRegion } from '../../lib/index.ts';

/** Counters at the head of the ledger; the same as in test/native/chaos.cc. */
export const counter = { operations: 0, violations: 1, busy: 2, stop: 3, told: 4, checked: 5 };
const counters = 64;

/** What is known of every unit of the victim, and who may write it: the TypeScript half of test/native/chaos.cc's Ledger. */
export class Ledger {
  readonly words: Int32Array;
  constructor(region: SharedRegion) {
    this.words = new Int32Array(region.buffer);
  }

  static bytes(units: number): number {
    return (counters + units * 4) * 4;
  }

  count(which: number, by = 1): void {
    Atomics.add(this.words, which, by);
  }

  read(which: number): number {
    return Atomics.load(this.words, which) >>> 0;
  }

  lock(unit: number): boolean {
    return Atomics.compareExchange(this.words, counters + unit * 4, 0, process.pid) === 0;
  }

  unlock(unit: number): void {
    Atomics.store(this.words, counters + unit * 4, 0);
  }

  /** Frees what a dead process had locked. To be called before its pid can belong to somebody else. */
  clearLocks(pid: number): void {
    for (let at = counters; at < this.words.length; at += 4) Atomics.compareExchange(this.words, at, pid, 0);
  }

  known(unit: number): boolean {
    return Atomics.load(this.words, counters + unit * 4 + 1) === 1;
  }

  seed(unit: number): number {
    return Atomics.load(this.words, counters + unit * 4 + 2);
  }

  /** Between forget() and learn() a death leaves the unit's content unknown. */
  forget(unit: number): void {
    Atomics.store(this.words, counters + unit * 4 + 1, 0);
  }

  learn(unit: number, seed: number): void {
    Atomics.store(this.words, counters + unit * 4 + 2, seed);
    Atomics.store(this.words, counters + unit * 4 + 1, 1);
  }
}

/** The 32-bit words that a unit with this seed consists of. */
export function pattern(seed: number, unit: number, i: number): number {
  return seed ^ Math.imul(i, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b);
}

/**
 * A unit's state, read from the file as any peer may (docs/protocol.md): 0 READY, 1 PURGING, 2 PURGED, 3 REFILLING. `wordsOffset`: where
 * the unit words are, which region_peer tells; a device does not say how long its files are, so their header is not to be found here.
 */
export function stateReader(fd: number, wordsOffset: number): (unit: number) => number {
  const word = Buffer.alloc(8);
  return (unit) => {
    readSync(fd, word, 0, 8, wordsOffset + unit * 8);
    return word.readUInt32LE(4) >>> 30;
  };
}

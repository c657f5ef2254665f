import type { Outcome } from './thumbnail-cache.ts';

/** What happened to a number of requests. */
export interface Tally {
  requests: number;
  /** Pixels whose checksum was computed and was right. */
  verified: number;
  /** Served without decoding. */
  hits: number;
  /** Had to be decoded. */
  misses: number;
  /** Found discarded when pinned, though it had been there: */
  purged: number;
  /** ... and decoded again, with the same checksum as the first time; */
  decodedAgain: number;
  /** ... or already refilled by another worker. */
  refilledByOther: number;
  /** Waited while another worker decoded the same one. */
  waited: number;
  hitTimes: number[];
  missTimes: number[];
}

export function emptyTally(): Tally {
  return {
    requests: 0,
    verified: 0,
    hits: 0,
    misses: 0,
    purged: 0,
    decodedAgain: 0,
    refilledByOther: 0,
    waited: 0,
    hitTimes: [],
    missTimes: [],
  };
}

export function count(tally: Tally, { decoded, purged, waited }: Outcome, milliseconds: number): void {
  tally.requests++;
  if (decoded) tally.misses++;
  else tally.hits++;
  if (purged) tally.purged++;
  if (purged && decoded) tally.decodedAgain++;
  if (purged && !decoded) tally.refilledByOther++;
  if (waited) tally.waited++;
  (decoded ? tally.missTimes : tally.hitTimes).push(milliseconds);
}

export function sum(tallies: Tally[]): Tally {
  const total = emptyTally();
  for (const tally of tallies) {
    for (const [key, value] of Object.entries(tally) as [keyof Tally, number | number[]][]) {
      if (typeof value === 'number') (total[key] as number) += value;
      else total[key as 'hitTimes'] = total[key as 'hitTimes'].concat(value);
    }
  }
  return total;
}

export function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

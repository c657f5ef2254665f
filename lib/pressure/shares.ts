/** A cache that can give something, for shares(). */
export interface Giver {
  /** Bytes that it has. */
  count: number;
  /** What it costs to get a byte of it back, above 0: of two of a size, the one that costs twice as much is asked for half. */
  cost: number;
}

/**
 * How many bytes to ask of each: in proportion to count / cost, never more than it has, and what that cap leaves over goes to the others. The
 * sum is `wanted`, or all that they have if that is less. Counts are whole numbers.
 */
export function shares(givers: readonly Giver[], wanted: number): number[] {
  const asked = givers.map(() => 0);
  let left = Math.floor(wanted);
  let open = givers.map((_, i) => i).filter((i) => givers[i]!.count > 0);
  while (left > 0 && open.length > 0) {
    const weight = weights(givers, open);
    const total = open.reduce((sum, i) => sum + weight(i), 0);
    const fair = (i: number) => left * (weight(i) / total);
    const capped = open.filter((i) => fair(i) >= givers[i]!.count);
    if (capped.length === 0) {
      spread(givers, open, fair, asked, left);
      break;
    }
    for (const i of capped) {
      asked[i] = Math.min(givers[i]!.count, left);
      left -= asked[i]!;
    }
    open = open.filter((i) => !capped.includes(i));
  }
  return asked;
}

/** count / cost, scaled so that costs of any size neither overflow nor all vanish. */
function weights(givers: readonly Giver[], open: readonly number[]): (i: number) => number {
  const most = Math.max(...open.map((i) => givers[i]!.count));
  const cheapest = Math.min(...open.map((i) => givers[i]!.cost));
  return (i) => (givers[i]!.count / most) * (cheapest / givers[i]!.cost);
}

/** Whole numbers that make up `left` exactly: rounded down, and what is missing from wherever there is more. */
function spread(
  givers: readonly Giver[],
  open: readonly number[],
  fair: (i: number) => number,
  asked: number[],
  left: number,
): void {
  let rest = left;
  for (const i of open) {
    asked[i] = Math.min(Math.floor(fair(i)), givers[i]!.count, rest);
    rest -= asked[i]!;
  }
  for (const i of open) {
    const more = Math.min(rest, givers[i]!.count - asked[i]!);
    asked[i]! += more;
    rest -= more;
  }
}

/**
 * Whether a shrinker says that it has freed more than its counts before and after show, by more than a little: an eighth, or 4 KiB, for what
 * else happened to the cache meanwhile.
 */
export function isLie(claimed: number, measured: number): boolean {
  return claimed - measured > Math.max(claimed / 8, 4 * 1024);
}

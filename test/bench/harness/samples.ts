/** Numbers of one thing, one per trial, in the order of measuring. */
export type Series = readonly number[];

export interface Summary {
  median: number;
  /** Lower and upper quartile: what `spread` in the table is made of. */
  low: number;
  high: number;
  samples: number;
}

/** The value below which `part` of the sorted numbers lie, between neighbours by proportion. */
function quantile(sorted: readonly number[], part: number): number {
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(series: Series): number {
  return summary(series).median;
}

export function summary(series: Series): Summary {
  if (series.length === 0) throw new Error('no samples');
  const sorted = [...series].sort((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    samples: sorted.length,
  };
}

/** Pairs the trials of one round each, so that a slow minute of the machine is on both sides of a division. */
export function pairwise(a: Series, b: Series, combine: (a: number, b: number) => number): Series {
  return a.map((value, i) => combine(value, b[i]!));
}

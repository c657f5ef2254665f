import { pairwise, type Series, type Summary, summary } from './samples.ts';

export type Unit = 'ns' | 'ms' | 'bytes' | 'calls';

/** A bar of the issue. 'x' is a ratio of two measurements; otherwise the unit of the thing itself. */
export interface Bar {
  atMost?: number;
  atLeast?: number;
  unit: 'x' | Unit;
}

/** One line of the table. */
export interface Result {
  what: string;
  unit: Unit;
  /** What the thing is measured against: a floor, or a competitor. Absent where there is nothing to compare with. */
  floor?: Summary & { what: string };
  ours?: Summary;
  /** Whatever `compare` made of each round's two numbers. */
  ratio?: Summary;
  bar?: Bar & { met: boolean };
  note?: string;
  skipped?: string;
}

/** What runs in one go. */
export interface Row {
  name: string;
  /** True if none of its trials is in test/bench/floors. */
  withoutFloors?: boolean;
  run(options: { short: boolean }): Promise<Result[]>;
}

const met = (bar: Bar, value: number) =>
  (bar.atMost === undefined || value <= bar.atMost) && (bar.atLeast === undefined || value >= bar.atLeast);

/** `ours` against `floor`, as the median of the ratios of each round. */
export function compared(
  what: string,
  unit: Unit,
  ours: Series,
  floor: { what: string; series: Series },
  bar?: { atMost: number } | { atLeast: number },
  compare: (ours: number, floor: number) => number = (a, b) => a / b,
): Result {
  const ratio = summary(pairwise(ours, floor.series, compare));
  const result: Result = {
    what,
    unit,
    floor: { what: floor.what, ...summary(floor.series) },
    ours: summary(ours),
    ratio,
  };
  if (bar) result.bar = { ...bar, unit: 'x', met: met({ ...bar, unit: 'x' }, ratio.median) };
  return result;
}

/** `ours` by itself. */
export function single(
  what: string,
  unit: Unit,
  ours: Series,
  bar?: { atMost: number },
  note?: string,
): Result {
  const result: Result = { what, unit, ours: summary(ours) };
  if (bar) result.bar = { ...bar, unit, met: met({ ...bar, unit }, result.ours!.median) };
  if (note !== undefined) result.note = note;
  return result;
}

export const skipped = (what: string, reason: string): Result => ({ what, unit: 'ns', skipped: reason });

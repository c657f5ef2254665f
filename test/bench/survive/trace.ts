import { writeFileSync } from 'node:fs';
import { mediumMark } from './grounds/ground.ts';
import { MIB } from './numbers.ts';
import type { Outcome } from './run.ts';

/** One run over time, small enough to keep: [ms since the neighbour began, used, available, purged (MiB), OOM kills]. */
export type Point = [ms: number, used: number, available: number, purged: number, kills: number];

export interface Curve {
  title: string;
  survived: boolean;
  points: Point[];
}

export interface Trace {
  unit: 'MiB';
  columns: string[];
  limit: number;
  /** What must stay available: level 'medium' begins below. */
  mark: number;
  curves: Curve[];
}

const rounded = (value: number) => Math.round(value * 10) / 10;

/** From 20 ms before the neighbour began to 150 ms after the last change, at most one point per half millisecond. */
export function curve(title: string, { samples, begin, failures }: Outcome): Curve {
  const points: Point[] = [];
  let most = 0;
  let next = -20;
  for (const { at, used, available, kills, resident } of samples) {
    most = Math.max(most, resident);
    const ms = at - begin;
    if (ms < next) continue;
    next = ms + 0.5;
    const bytes = [used, available, most - resident] as const;
    const [u, a, p] = bytes.map((value) => rounded(value / MIB)) as [number, number, number];
    points.push([rounded(ms), u, a, p, kills]);
  }
  // The tail in which nothing happens says nothing.
  const last = points.findLastIndex(([, used], i) => i === 0 || Math.abs(used - points[i - 1]![1]) > 0.5);
  const end = points[last]![0] + 150;
  return { title, survived: failures.length === 0, points: points.filter(([ms]) => ms <= end) };
}

export function trace(limit: number, curves: Curve[]): Trace {
  const columns = ['ms', 'used', 'available', 'purged', 'oom_kills'];
  return { unit: 'MiB', columns, limit: limit / MIB, mark: mediumMark(limit) / MIB, curves };
}

export function writeTrace(path: string, limit: number, curves: Curve[]): void {
  const { curves: all, ...rest } = trace(limit, curves);
  const lines = all.map(({ points, ...about }) => {
    const text = points.map((point) => JSON.stringify(point)).join(',\n');
    return `${JSON.stringify(about).slice(0, -1)},"points":[\n${text}\n]}`;
  });
  writeFileSync(path, `${JSON.stringify(rest).slice(0, -1)},"curves":[\n${lines.join(',\n')}\n]}\n`);
}

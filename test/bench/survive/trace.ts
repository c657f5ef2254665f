import { writeFileSync } from 'node:fs';
import { mediumMark } from './grounds/ground.ts';
import { MIB } from './numbers.ts';
import type { Outcome } from './run.ts';

export const levels = ['none', 'low', 'medium', 'critical'] as const;

/** One run over time, small enough to keep. MiB; `level` is an index of `levels`, by the watermarks and without hysteresis. */
export type Point = [
  ms: number,
  used: number,
  available: number,
  purged: number,
  level: number,
  kills: number,
];

export interface Curve {
  title: string;
  survived: boolean;
  /** When the process that reclaimed was killed or stopped, if it was. */
  struck?: number;
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

const rounded = (bytes: number) => Math.round((bytes / MIB) * 10) / 10;

function levelOf(available: number, mark: number): number {
  if (available < mark / 2) return 3;
  if (available < mark) return 2;
  return available < 2 * mark ? 1 : 0;
}

/** From when the neighbour began to 100 ms after the last change, at most one point per half millisecond. */
export function curve(title: string, { samples, begin, failures, limit, struck }: Outcome): Curve {
  const points: Point[] = [];
  let most = 0;
  for (const { at, used, available, kills, resident } of samples) {
    most = Math.max(most, resident);
    // The last one before the beginning holds at the beginning.
    const ms = Math.max(0, at - begin);
    const last = points.at(-1);
    if (last && ms > 0 && ms < last[0] + 0.5) continue;
    if (ms === 0) points.pop();
    const [u, a, p] = [used, available, most - resident].map(rounded) as [number, number, number];
    points.push([Math.round(ms * 10) / 10, u, a, p, levelOf(available, mediumMark(limit)), kills]);
  }
  // The tail in which nothing happens says nothing.
  const last = points.findLastIndex(([, used], i) => i === 0 || Math.abs(used - points[i - 1]![1]) > 0.5);
  const end = points[last]![0] + 100;
  return {
    title,
    survived: failures.length === 0,
    ...(struck ? { struck: Math.round((struck.at - begin) * 10) / 10 } : {}),
    points: points.filter(([ms]) => ms <= end),
  };
}

/** Indented, with a point to a line. */
function text(trace: Trace): string {
  const indented = JSON.stringify(trace, null, 2);
  const flat = (list: string) => `[${list.slice(1, -1).trim().replaceAll(/,\s+/g, ', ')}]`;
  return indented.replaceAll(/\[[^[\]{}]*\]/g, flat);
}

export function writeTrace(path: string, limit: number, curves: Curve[]): void {
  const columns = ['ms', 'used', 'available', 'purged', 'level', 'oom_kills'];
  const trace: Trace = { unit: 'MiB', columns, limit: limit / MIB, mark: mediumMark(limit) / MIB, curves };
  writeFileSync(path, `${text(trace)}\n`);
}

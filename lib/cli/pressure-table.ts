import type { NativeGauge } from '../pressure/native-types.ts';
import { levelOf } from '../pressure/state.ts';
import { size } from './size.ts';

const headings = ['source', 'limit', 'available', 'low', 'medium', 'critical', 'level', 'wanted', 'what'];

const bytes = (value: number | undefined) => (value === undefined ? '-' : size(value));

function cells(gauge: NativeGauge): string[] {
  return [
    gauge.source,
    bytes(gauge.limit),
    bytes(gauge.available),
    bytes(gauge.low),
    bytes(gauge.medium),
    bytes(gauge.critical),
    levelOf(gauge),
    gauge.wanted === 0 ? '-' : size(gauge.wanted),
    gauge.where,
  ];
}

/** A line per gauge, below a line of headings. `width`: where lines are cut off, or undefined. */
export function pressureTable(gauges: readonly NativeGauge[], width?: number): string {
  const rows = [headings, ...gauges.map(cells)];
  const widths = headings.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const left = new Set([0, headings.length - 1]);
  return rows
    .map((row) =>
      row
        .map((cell, i) => (left.has(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd()
        .slice(0, width),
    )
    .join('\n');
}

import type { Result, Unit } from './results.ts';
import type { Summary } from './samples.ts';

/** Three digits of a time, in the unit that reads best. */
function time(ns: number): string {
  const [value, unit] =
    Math.abs(ns) < 1e3 ? [ns, 'ns'] : Math.abs(ns) < 1e6 ? [ns / 1e3, 'µs'] : [ns / 1e6, 'ms'];
  return `${Number(value.toPrecision(3))} ${unit}`;
}

export function show(value: number, unit: Unit | 'x'): string {
  if (unit === 'ns') return time(value);
  if (unit === 'ms') return `${value.toFixed(1)} ms`;
  if (unit === 'x') return `${value.toFixed(2)}x`;
  if (unit === 'calls') return String(value);
  return value < 1 ? `1/${Math.floor(1 / value)}` : `${Math.round(value / 1024)} KiB`;
}

/** Half the distance of the quartiles, in percent of the median. */
function spread({ median, low, high, samples }: Summary): string {
  return samples === 1 || median === 0 ? '' : `±${Math.round(((high - low) / 2 / median) * 100)} %`;
}

function barText({ bar }: Result): string {
  if (!bar) return '';
  const limit = bar.atMost ?? bar.atLeast ?? 0;
  const text = bar.unit === 'x' ? `${limit.toFixed(1)}x` : show(limit, bar.unit);
  return `bar ${bar.atLeast === undefined ? '' : '≥ '}${text}: ${bar.met ? 'met' : 'MISSED'}`;
}

const header = ['what', 'floor', 'ours', 'ratio', 'spread', 'n', 'verdict'];

function cells(result: Result): string[] {
  const { what, floor, ours, ratio, unit, note, skipped } = result;
  if (skipped !== undefined) return [what, '', '', '', '', '', `skipped: ${skipped}`];
  return [
    what,
    floor ? show(floor.median, unit) : '',
    ours ? show(ours.median, unit) : '',
    ratio ? show(ratio.median, 'x') : '',
    spread((ratio ?? ours)!),
    String((ratio ?? ours)!.samples),
    [barText(result), note].filter(Boolean).join('; '),
  ];
}

/** As a Markdown table, aligned for a terminal. */
export function table(results: readonly Result[]): string {
  const rows = [header, ...results.map(cells)];
  const widths = header.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (i === 0 || i === 6 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 || i === 6 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(header), rule, ...rows.slice(1).map(line)].join('\n');
}

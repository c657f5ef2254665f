// Draws what --trace has written: tsx test/bench/survive/plot.ts TRACE.json PLOT.svg

import { readFileSync, writeFileSync } from 'node:fs';
import type { Curve, Point, Trace } from './trace.ts';

const PANEL = { width: 420, height: 260 };
const MARGIN = { left: 62, right: 24, top: 64, bottom: 92 };
const colours = {
  used: '#1f6fb4',
  purged: '#2b8a3e',
  limit: '#c92a2a',
  mark: '#b8860b',
  axis: '#495057',
  grid: '#dee2e6',
};
/** Of the levels none, low, medium, critical. */
const shades = ['#ffffff', '#ffe066', '#ff922b', '#e03131'] as const;
/** Height of the band that shows them. */
const BAND = 9;

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function line(x1: number, y1: number, x2: number, y2: number, stroke: string, more = ''): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${stroke}" ${more}/>`;
}

function text(x: number, y: number, words: string, more = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(words)}</text>`;
}

function rect(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="${fill}"/>`;
}

/** Distances of ticks that give about `count` of them. */
function step(range: number, count: number): number {
  const rough = range / count;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * magnitude).find((size) => size >= rough)!;
}

/** Each value holds until the next sample: steps. */
function steps(
  points: readonly Point[],
  column: 1 | 3,
  x: (ms: number) => number,
  y: (mib: number) => number,
) {
  let path = '';
  for (const point of points) {
    const [at, value] = [x(point[0]).toFixed(1), y(point[column]).toFixed(1)];
    path += path === '' ? `M${at} ${value}` : `H${at}V${value}`;
  }
  return path;
}

/** Runs of one level. */
function spans(points: readonly Point[]) {
  const all: { from: number; to: number; level: number }[] = [];
  for (const [ms, , , , level] of points) {
    const last = all.at(-1);
    if (last) last.to = ms;
    if (last?.level !== level) all.push({ from: ms, to: ms, level });
  }
  return all;
}

function panel(
  { title, survived, struck, points }: Curve,
  { limit, mark, curves }: Trace,
  left: number,
): string {
  // The same scales for all, so that they can be compared.
  const last = Math.max(...curves.map((curve) => curve.points.at(-1)![0]));
  const most = 64 * Math.ceil((limit * 1.1) / 64);
  const x = (ms: number) => left + (ms / last) * PANEL.width;
  const y = (mib: number) => MARGIN.top + PANEL.height * (1 - mib / most);
  const [bottom, right] = [y(0), left + PANEL.width];
  const parts = [
    text(left, MARGIN.top - 14, `${title}: ${survived ? 'all survive' : 'killed'}`, 'class="title"'),
  ];
  for (const { from, to, level } of spans(points)) {
    if (level > 0) parts.push(rect(x(from), MARGIN.top, x(to) - x(from), BAND, shades[level]!));
  }
  for (let mib = 0; mib <= most; mib += 64) {
    parts.push(line(left, y(mib), right, y(mib), colours.grid));
    parts.push(text(left - 8, y(mib) + 4, `${mib}`, 'text-anchor="end"'));
  }
  const each = step(last, 6);
  for (let ms = 0; ms <= last; ms += each) {
    parts.push(line(x(ms), bottom, x(ms), bottom + 5, colours.axis));
    parts.push(text(x(ms), bottom + 19, `${ms}`, 'text-anchor="middle"'));
  }
  parts.push(
    line(left, bottom, right, bottom, colours.axis),
    line(left, MARGIN.top, left, bottom, colours.axis),
  );
  parts.push(
    text(left + PANEL.width / 2, bottom + 38, 'ms since the neighbour began', 'text-anchor="middle"'),
  );
  parts.push(line(left, y(limit), right, y(limit), colours.limit, 'stroke-width="1.5"'));
  parts.push(line(left, y(limit - mark), right, y(limit - mark), colours.mark, 'stroke-dasharray="5 3"'));
  for (const [column, colour] of [
    [3, colours.purged],
    [1, colours.used],
  ] as const) {
    parts.push(`<path d="${steps(points, column, x, y)}" fill="none" stroke="${colour}" stroke-width="2"/>`);
  }
  if (struck !== undefined) {
    parts.push(line(x(struck), MARGIN.top, x(struck), bottom, colours.axis, 'stroke-dasharray="2 3"'));
    parts.push(text(x(struck) + 6, y(most * 0.62), 'struck'));
  }
  const death = points.find(([, , , , , kills]) => kills > 0);
  if (death) {
    parts.push(line(x(death[0]), MARGIN.top, x(death[0]), bottom, colours.limit, 'stroke-dasharray="2 3"'));
    parts.push(text(x(death[0]) + 6, y(most * 0.42), 'OOM kill', `fill="${colours.limit}"`));
  }
  return parts.join('\n');
}

function legend(trace: Trace, width: number, at: number): string {
  const entries = [
    ['used in the cgroup', colours.used, ''],
    ['purged of the regions', colours.purged, ''],
    [`limit (${trace.limit} MiB)`, colours.limit, ''],
    [`watermark (${trace.mark} MiB below)`, colours.mark, 'stroke-dasharray="5 3"'],
  ] as const;
  const each = (width - 40) / (entries.length + 1);
  const right = 40 + entries.length * each;
  const bands = shades.slice(1).map((shade, i) => rect(right + i * 14, at - 9, 14, BAND, shade));
  const band = `${bands.join('')}${text(right + 50, at, 'low, medium, critical')}`;
  const lines = entries
    .map(([name, colour, dash], i) => {
      const left = 30 + i * each;
      return `${line(left, at - 4, left + 26, at - 4, colour, `stroke-width="2" ${dash}`)}\n${text(left + 33, at, name)}`;
    })
    .join('\n');
  return `${lines}\n${band}`;
}

function plot(trace: Trace): string {
  const each = MARGIN.left + PANEL.width + MARGIN.right;
  const [width, height] = [each * trace.curves.length, MARGIN.top + PANEL.height + MARGIN.bottom];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>Memory over time while a neighbour takes 150 MiB, with the reclaimer and without it</title>
<style>.title { font-size: 14px; font-weight: bold }</style>
<rect width="${width}" height="${height}" fill="white"/>
${text(14, 22, 'MiB: 200 MiB of unpinned regions, 4 processes, a neighbour that takes 150 MiB at full speed')}
${trace.curves.map((curve, i) => panel(curve, trace, i * each + MARGIN.left)).join('\n')}
${legend(trace, width, height - 18)}
</svg>
`;
}

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error('usage: plot.ts TRACE.json PLOT.svg');
writeFileSync(to, plot(JSON.parse(readFileSync(from, 'utf8')) as Trace));

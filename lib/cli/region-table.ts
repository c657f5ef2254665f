import type { RegionReport } from '../look/report.ts';
import { safe } from './safe.ts';
import { size } from './size.ts';

const headings = [
  'pid',
  'fd',
  'command',
  'kind',
  'backend',
  'size',
  'memory',
  'pinned',
  'unpinned',
  'purged',
  'processes',
  'name',
];
const left = new Set([2, 3, 4, 11]);

const bytes = (value: number | null) => (value === null ? '-' : size(value));

function cells(region: RegionReport): string[][] {
  return region.processes.map(({ pid, fds, command, attached }, index) => {
    const who = [String(pid), fds.join(','), `${safe(command, 16)}${attached ? '' : ' (not attached)'}`];
    if (index > 0) return [...who, '', '', '', '', '', '', '', '', ''];
    return [
      ...who,
      region.kind,
      region.backend,
      size(region.size),
      bytes(region.memory),
      bytes(region.pinned),
      bytes(region.unpinned),
      bytes(region.purged),
      String(region.attached),
      safe(region.name) || '-',
    ];
  });
}

/** A line for each process that has a region, the region's own numbers on the first. `width`: where lines are cut off. */
export function regionTable(regions: readonly RegionReport[], width?: number): string {
  const rows = [headings, ...regions.flatMap(cells)];
  const widths = headings.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
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

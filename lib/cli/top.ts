import type { RegionReport } from '../look/report.ts';
import { parse, wholeNumber } from './arguments.ts';
import type { Command } from './command.ts';
import { hiddenNote, lookAtAll } from './ps.ts';
import { regionTable } from './region-table.ts';
import { repeat } from './repeat.ts';
import { size } from './size.ts';

const help = `Usage: ashmem-compat top [options]

Shows what ps shows, again and again, the largest in memory first, below a line with the sums.

  --interval MS   time between two looks; default 2000
  --count N       end after N looks; default: at Ctrl-C
  --json          each look as a line of JSON
  --help`;

const sum = (regions: readonly RegionReport[], of: (region: RegionReport) => number | null) =>
  regions.reduce((total, region) => total + (of(region) ?? 0), 0);

function page(
  width: number | undefined,
  before: { discarded: number } | undefined,
): { text: string; discarded: number } {
  const { regions, hidden } = lookAtAll();
  regions.sort((a, b) => (b.memory ?? b.size) - (a.memory ?? a.size));
  const discarded = sum(regions, (region) => region.discarded + region.discardedByKernel);
  const head = [
    `${regions.length} ${regions.length === 1 ? 'region' : 'regions'}`,
    `memory ${size(sum(regions, ({ memory }) => memory))}`,
    `pinned ${size(sum(regions, ({ pinned }) => pinned))}`,
    `discarded ${size(discarded)}${before ? `, ${size(Math.max(0, discarded - before.discarded))} since the last look` : ''}`,
    ...(hidden > 0 ? [hiddenNote(hidden)] : []),
  ].join(' · ');
  return { text: `${head.slice(0, width)}\n${regionTable(regions, width)}`, discarded };
}

async function run(args: string[]): Promise<number> {
  const { values } = parse({
    args,
    options: {
      interval: { type: 'string', default: '2000' },
      count: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const interval = wholeNumber('--interval', values.interval, 1);
  const looks =
    values.count === undefined ? Number.POSITIVE_INFINITY : wholeNumber('--count', values.count, 1);
  let before: { discarded: number } | undefined;
  const options = {
    interval,
    looks,
    inPlace: process.stdout.isTTY === true && !values.json,
    between: values.json ? '' : '\n',
  };
  await repeat(options, (width) => {
    if (values.json) return JSON.stringify({ time: new Date().toISOString(), ...lookAtAll() });
    const seen = page(width, before);
    before = seen;
    return seen.text;
  });
  return 0;
}

export const topCommand: Command = { help, run };

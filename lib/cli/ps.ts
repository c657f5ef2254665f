import { closeAll, findRegions } from '../look/processes.ts';
import { type RegionReport, reportOf } from '../look/report.ts';
import { parse } from './arguments.ts';
import type { Command } from './command.ts';
import { regionTable } from './region-table.ts';

const help = `Usage: ashmem-compat ps [--json]

Lists the regions, pools and caches of every process that we may look at, each once, with the processes that have it open. Looking changes
nothing and attaches to nothing. Of a process its name is shown, never its arguments.

  --json   one object: { regions, hidden }, sizes in bytes
  --help

memory is what the file takes, its tables included, in memory and swap; processes counts those that are attached, also those that
cannot be seen.`;

/** One look at everything. */
export function lookAtAll(): { regions: RegionReport[]; hidden: number } {
  const search = findRegions();
  try {
    return {
      regions: search.regions.map(({ file, holders }) => reportOf(file, holders)),
      hidden: search.hidden,
    };
  } finally {
    closeAll(search);
  }
}

/** What is to be said of processes that could not be looked at; '' if there were none. */
export const hiddenNote = (hidden: number) =>
  hidden === 0
    ? ''
    : `${hidden} ${hidden === 1 ? 'process' : 'processes'} could not be looked at: that takes their user's rights`;

async function run(args: string[]): Promise<number> {
  const { json } = parse({ args, options: { json: { type: 'boolean', default: false } } }).values;
  const seen = lookAtAll();
  if (json) console.log(JSON.stringify(seen));
  else {
    console.log(regionTable(seen.regions));
    if (seen.hidden > 0) console.error(hiddenNote(seen.hidden));
  }
  return 0;
}

export const psCommand: Command = { help, run };

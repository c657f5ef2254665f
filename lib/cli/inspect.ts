import { openRegion } from '../look/open.ts';
import { closeAll, commandOf, findRegions, type Holder } from '../look/processes.ts';
import { detailsOf, type RegionDetails } from '../look/report.ts';
import { parse, pidAndFd } from './arguments.ts';
import type { Command } from './command.ts';
import { safe } from './safe.ts';
import { size } from './size.ts';

const help = `Usage: ashmem-compat inspect PID FD [options]

Tells all that there is to know of a region, pool or cache without attaching to it: its units by state, who holds how much, how often it
was discarded.

  --units  also the runs of units that are alike, with their holders
  --json   the same as JSON
  --help`;

/** Who has it open besides, of those whom we may look at. */
function holdersOf(pid: number, fd: number, identity: string): Holder[] {
  const search = findRegions();
  try {
    const found = search.regions.find(({ file, holders }) =>
      file.identity === ''
        ? holders.some((holder) => holder.pid === pid && holder.fds.includes(fd))
        : file.identity === identity,
    );
    return found?.holders ?? [{ pid, command: commandOf(pid), fds: [fd] }];
  } finally {
    closeAll(search);
  }
}

const bytes = (value: number | null) => (value === null ? 'unknown' : size(value));

/** For a person. */
function page(region: RegionDetails): string {
  const row = (name: string, value: string) => `${name.padEnd(14)}${value}`;
  const lines = [
    row('name', safe(region.name, 249) || '-'),
    row('kind', `${region.kind}, on ${region.backend}, priority ${region.priority}`),
    row('size', `${size(region.size)} in ${region.unitCount} units of ${size(region.granularity)}`),
    row('file', `${size(region.fileSize)}, of which ${bytes(region.memory)} in memory or swap`),
    row('pinned', bytes(region.pinned)),
    row('unpinned', bytes(region.unpinned)),
    row('purged', bytes(region.purged)),
  ];
  if (region.states) {
    const states = Object.entries(region.states).map(([state, count]) => `${count} ${state}`);
    lines.push(row(region.extents === null ? 'units' : 'extents', states.join(', ')));
  }
  const g = region.generations;
  if (g) {
    lines.push(
      row(
        'generations',
        `${g.least} to ${g.most}, ${g.sum} in all; ${g.discardedUnits} ${region.extents === null ? 'units' : 'extents'} were discarded at some time`,
      ),
    );
  }
  lines.push(
    row(
      'discarded',
      `${size(region.discarded)} by processes, ${size(region.discardedByKernel)} by the kernel`,
    ),
    row('attached', `${region.attached} of at most ${region.maxProcesses} processes`),
  );
  for (const { slot, pid, state, command, pinned } of region.owners) {
    const who = command === null ? state : safe(command, 16);
    lines.push(`  slot ${slot}: pid ${pid} (${who}), holds ${size(pinned)}`);
  }
  if (region.initialHold) lines.push(row('initial hold', 'the creator holds what it has not unpinned yet'));
  for (const { pid, command, fds, attached } of region.processes) {
    lines.push(
      `${row('open in', `${pid} (${safe(command, 16)})`)} as ${fds.join(', ')}${attached ? '' : ', not attached'}`,
    );
  }
  const pids = new Map(region.owners.map(({ slot, pid }) => [slot, pid]));
  for (const { offset, length, state, holders } of region.runs ?? []) {
    const held =
      holders.length === 0 ? '' : `, held by ${holders.map((slot) => pids.get(slot) ?? '?').join(', ')}`;
    lines.push(`  ${offset}..${offset + length}  ${state}${held}`);
  }
  return lines.join('\n');
}

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, units: { type: 'boolean', default: false } },
  });
  const { pid, fd } = pidAndFd(positionals);
  const file = openRegion(pid, fd);
  try {
    const details = detailsOf(file, holdersOf(pid, fd, file.identity), values.units);
    console.log(values.json ? JSON.stringify(details) : page(details));
  } finally {
    file.close();
  }
  return 0;
}

export const inspectCommand: Command = { help, run };

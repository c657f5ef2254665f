// What is told of a region: plain data, as --json prints it.

import type { RegionFile } from './file.ts';
import type { RegionKind } from './header.ts';
import { type Owner, ownersOf } from './owners.ts';
import { commandOf, type Holder } from './processes.ts';
import { countUnits, MOST_UNITS, type Run, type UnitTotals } from './units.ts';

export interface RegionReport {
  kind: RegionKind;
  name: string;
  backend: 'memfd' | 'ashmem';
  size: number;
  granularity: number;
  /** Bytes of memory and swap that the file takes, tables included; null where the system does not tell. */
  memory: number | null;
  /** Null, as the next two, of a region with too many units to be looked at. */
  pinned: number | null;
  unpinned: number | null;
  purged: number | null;
  priority: string;
  /** Bytes discarded by processes, and by the kernel as far as it was asked, ever. */
  discarded: number;
  discardedByKernel: number;
  /** Processes that have a descriptor of it. */
  processes: (Holder & { attached: boolean })[];
  /** Living processes that are attached, in whichever way they came to it. */
  attached: number;
}

/** What `inspect` adds. */
export interface RegionDetails extends RegionReport {
  unitCount: number;
  fileSize: number;
  maxProcesses: number;
  annexSize: number;
  states: UnitTotals['states'] | null;
  extents: number | null;
  generations: UnitTotals['generations'] | null;
  owners: (Omit<Owner, 'life'> & { command: string | null; pinned: number })[];
  /** The creator holds what nobody has touched since it made the region. */
  initialHold: boolean;
  runs?: Run[];
}

const isLiving = ({ state }: Owner) => state === 'alive' || state === 'elsewhere';

function look(file: RegionFile, onRun?: (run: Run) => void) {
  const header = file.again();
  const slots = file.read(header.slotsOffset, header.slotCount * 64);
  const owners = ownersOf(header, slots, file.read(header.namespacesOffset, 15 * 8));
  const totals = header.unitCount > MOST_UNITS ? undefined : countUnits(file, header, owners, onRun);
  return { header, owners, totals };
}

function report(file: RegionFile, holders: readonly Holder[], seen: ReturnType<typeof look>): RegionReport {
  const { header, owners, totals } = seen;
  const attached = owners.filter(isLiving);
  return {
    kind: header.kind,
    name: header.name,
    backend: file.backend,
    size: header.size,
    granularity: header.granularity,
    memory: file.memory ?? null,
    pinned: totals?.pinned ?? null,
    unpinned: totals?.unpinned ?? null,
    purged: totals?.purged ?? null,
    priority: header.priority,
    discarded: header.discarded,
    discardedByKernel: header.discardedByKernel,
    processes: holders.map((holder) => ({
      ...holder,
      attached: attached.some(({ pid, state }) => state === 'alive' && pid === holder.pid),
    })),
    attached: attached.length,
  };
}

export function reportOf(file: RegionFile, holders: readonly Holder[]): RegionReport {
  return report(file, holders, look(file));
}

/** `withRuns`: also the runs of units that are alike. */
export function detailsOf(file: RegionFile, holders: readonly Holder[], withRuns: boolean): RegionDetails {
  const runs: Run[] = [];
  const seen = look(file, withRuns ? (run) => runs.push(run) : undefined);
  const { header, owners, totals } = seen;
  return {
    ...report(file, holders, seen),
    unitCount: header.unitCount,
    fileSize: file.fileSize,
    maxProcesses: header.slotCount,
    annexSize: header.annexSize,
    states: totals?.states ?? null,
    extents: header.kind === 'region' ? null : (totals?.counted ?? null),
    generations: totals?.generations ?? null,
    owners: owners.map(({ slot, pid, state }) => ({
      slot,
      pid,
      state,
      command: state === 'alive' ? commandOf(pid) : null,
      pinned: totals?.heldBy.get(slot) ?? 0,
    })),
    initialHold: header.creatorHold !== 0n && header.creatorHold === header.creator,
    ...(withRuns ? { runs } : {}),
  };
}

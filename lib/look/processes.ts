// The regions of the processes that may be looked at, each once.

import { readdirSync } from 'node:fs';
import { native } from '../native.ts';
import { RegionFile } from './file.ts';
import { processStat } from './owners.ts';

/** A process that has a region's descriptor. */
export interface Holder {
  pid: number;
  command: string;
  fds: number[];
}

export interface Found {
  file: RegionFile;
  holders: Holder[];
}

export interface Search {
  regions: Found[];
  /** Processes whose descriptors we may not see. */
  hidden: number;
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The name of a process as ps(1) shows it. Its arguments may hold secrets, and are not looked at. */
export const commandOf = (pid: number) => processStat(pid)?.command ?? '?';

const gone = new Set(['ENOENT', 'ESRCH', 'EBADF', 'ERR_NO_SUCH_PROCESS']);
const refused = new Set(['EACCES', 'EPERM', 'ERR_NOT_PERMITTED', 'ERR_NOT_SUPPORTED']);

/** The descriptors of a process in ascending order; 'hidden' or 'gone' where there are none to be had. */
function descriptors(pid: number): number[] | 'hidden' | 'gone' {
  try {
    return readdirSync(`/proc/${pid}/fd`)
      .map(Number)
      .sort((a, b) => a - b);
  } catch (error) {
    return gone.has((error as NodeJS.ErrnoException).code ?? '') ? 'gone' : 'hidden';
  }
}

/** One open file is one area; where nothing tells, each descriptor is taken for one of its own. */
function sameArea(found: Found, pid: number, fd: number): boolean {
  const [first] = found.holders;
  return native.sameOpenFile(first!.pid, first!.fds[0]!, pid, fd) === true;
}

/** Closing the files is the caller's: closeAll(). */
export function findRegions(): Search {
  const regions: Found[] = [];
  let hidden = 0;
  for (const pid of pids()) {
    const fds = descriptors(pid);
    if (fds === 'gone') continue;
    if (fds === 'hidden') {
      hidden++;
      continue;
    }
    let refusals = 0;
    for (const fd of fds) {
      let file: RegionFile | undefined;
      try {
        file = RegionFile.open(pid, fd);
      } catch (error) {
        // It went away under our eyes, or its security module keeps it; a fault of ours is told.
        const code = (error as NodeJS.ErrnoException).code ?? '';
        if (refused.has(code)) refusals++;
        else if (!gone.has(code) && !(error as NodeJS.ErrnoException).syscall) throw error;
        continue;
      }
      // Our own, of this very search.
      if (!file) continue;
      if (pid === process.pid && regions.some((found) => found.file.fd === fd)) {
        file.close();
        continue;
      }
      const known = regions.find((found) =>
        file.identity === ''
          ? found.file.identity === '' && sameArea(found, pid, fd)
          : found.file.identity === file.identity,
      );
      if (known) file.close();
      const found = known ?? { file, holders: [] };
      if (!known) regions.push(found);
      const holder = found.holders.find((other) => other.pid === pid);
      if (holder) holder.fds.push(fd);
      else found.holders.push({ pid, command: commandOf(pid), fds: [fd] });
    }
    if (refusals > 0) hidden++;
  }
  return { regions, hidden };
}

export function closeAll({ regions }: Search): void {
  for (const { file } of regions) file.close();
}

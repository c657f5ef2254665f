// The processes that hold pins from outside, and how to end them.

import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { AshmemError } from '../errors.ts';
import type { RegionFile } from './file.ts';
import { ownersOf, processStat } from './owners.ts';

/** What such a process calls itself. */
export const holderTitle = 'ashmem-compat pin';

function isHolder(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0]!.trimEnd() === holderTitle;
  } catch {
    return false;
  }
}

/**
 * Ends the processes of `ashmem-compat pin` that are attached to the region. Their pids. They are known by their name and by being attached:
 * whoever takes that name is ended too, if we have the right to.
 */
export async function endHolders(file: RegionFile, patience = 5000): Promise<number[]> {
  const { header } = file;
  const owners = ownersOf(
    header,
    file.read(header.slotsOffset, header.slotCount * 64),
    file.read(header.namespacesOffset, 15 * 8),
  );
  const holders = owners
    .filter(({ state, pid }) => state === 'alive' && isHolder(pid))
    .map(({ pid }) => ({ pid, startTime: processStat(pid)?.startTime }));
  for (const { pid } of holders) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') continue;
      throw new AshmemError('ERR_NOT_PERMITTED', `process ${pid} is not ours to end`, { cause: error });
    }
  }
  const deadline = Date.now() + patience;
  for (const { pid, startTime } of holders) {
    for (let stat = processStat(pid); stat && stat.startTime === startTime; stat = processStat(pid)) {
      if (stat.state === 'Z' || stat.state === 'X') break;
      if (Date.now() > deadline) throw new AshmemError('ERR_REGION_BUSY', `process ${pid} does not end`);
      await wait(5);
    }
  }
  return holders.map(({ pid }) => pid);
}

import { accessSync, constants } from 'node:fs';
import { MIB } from '../numbers.ts';
import { cgroupV1, hasCgroupV1, hierarchyV1 } from './cgroup-v1.ts';
import { cgroupV2, hasCgroupV2, hierarchyV2 } from './cgroup-v2.ts';
import type { Ground } from './ground.ts';
import { unavailable } from './unavailable.ts';

const LIMIT = 256 * MIB;

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** What makes the limited ground of a run here: v1's memory controller where that is, else v2's. */
export function here(): () => Ground {
  const hierarchy = hasCgroupV1() ? hierarchyV1 : hasCgroupV2() ? hierarchyV2 : undefined;
  if (hierarchy === undefined) throw unavailable('no memory controller of cgroup v1 or v2 is mounted');
  if (!writable(hierarchy)) throw unavailable(`no right to make a cgroup in ${hierarchy}`);
  return hierarchy === hierarchyV1 ? () => cgroupV1(LIMIT) : () => cgroupV2(LIMIT);
}

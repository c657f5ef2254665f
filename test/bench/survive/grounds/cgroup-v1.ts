import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, members, removeFolder } from './folders.ts';
import type { Ground } from './ground.ts';
import { field, number } from './text.ts';

export const hierarchyV1 = '/sys/fs/cgroup/memory';

export const hasCgroupV1 = () => existsSync(join(hierarchyV1, 'memory.limit_in_bytes'));

/** A cgroup of the v1 memory controller: a hard limit, and no swap within it. */
export function cgroupV1(limit: number): Ground {
  const folder = makeFolder(hierarchyV1);
  const file = (name: string) => join(folder, `memory.${name}`);
  try {
    writeFileSync(file('limit_in_bytes'), `${limit}`);
    writeFileSync(file('swappiness'), '0');
    if (existsSync(file('memsw.limit_in_bytes'))) writeFileSync(file('memsw.limit_in_bytes'), `${limit}`);
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
  return {
    kind: 'cgroup-v1',
    folder,
    limit,
    available() {
      const cached = field(file('stat'), 'total_inactive_file') + field(file('stat'), 'total_active_file');
      return limit - number(file('usage_in_bytes')) + cached;
    },
    kills: () => field(file('oom_control'), 'oom_kill'),
    add: (pid) => writeFileSync(join(folder, 'cgroup.procs'), `${pid}`),
    members: () => members(folder),
    remove: () => removeFolder(folder),
  };
}

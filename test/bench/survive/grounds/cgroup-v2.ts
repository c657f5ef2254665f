import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, members, removeFolder } from './folders.ts';
import type { Ground } from './ground.ts';
import { field, number } from './text.ts';

export const hierarchyV2 = '/sys/fs/cgroup';

export function hasCgroupV2(): boolean {
  const handed = join(hierarchyV2, 'cgroup.subtree_control');
  return existsSync(handed) && readFileSync(handed, 'utf8').split(/\s/).includes('memory');
}

/** A cgroup of v2: memory.max, no swap within it, and memory.high, from which on it is slowed down, if `high` is given. */
export function cgroupV2(limit: number, high?: number): Ground {
  const folder = makeFolder(hierarchyV2);
  const file = (name: string) => join(folder, `memory.${name}`);
  try {
    writeFileSync(file('max'), `${limit}`);
    if (existsSync(file('swap.max'))) writeFileSync(file('swap.max'), '0');
    if (high !== undefined) writeFileSync(file('high'), `${high}`);
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
  return {
    kind: 'cgroup-v2',
    folder,
    limit,
    available() {
      const cached = field(file('stat'), 'inactive_file') + field(file('stat'), 'active_file');
      return limit - number(file('current')) + cached;
    },
    kills: () => field(file('events'), 'oom_kill'),
    add: (pid) => writeFileSync(join(folder, 'cgroup.procs'), `${pid}`),
    members: () => members(folder),
    remove: () => removeFolder(folder),
  };
}

import { writeFileSync } from 'node:fs';
import type { Ground } from './ground.ts';
import { field } from './text.ts';

/** The whole machine, where nobody else needs it: the virtual one. Whoever is added is whom the OOM killer takes, and nobody else. */
export function machine(): Ground {
  if (process.env.ASHMEM_COMPAT_VM !== '1') {
    throw new Error(
      'a whole machine is made short of memory in the virtual machine alone (ASHMEM_COMPAT_VM is not 1)',
    );
  }
  writeFileSync('/proc/self/oom_score_adj', '-1000');
  const kills = () => field('/proc/vmstat', 'oom_kill');
  const before = kills();
  return {
    kind: 'machine',
    folder: '-',
    limit: field('/proc/meminfo', 'MemTotal') * 1024,
    available: () => field('/proc/meminfo', 'MemAvailable') * 1024,
    kills: () => kills() - before,
    add: (pid) => writeFileSync(`/proc/${pid}/oom_score_adj`, '0'),
    members: () => undefined,
    remove() {},
  };
}

import { readFileSync } from 'node:fs';

// PSS, the proportional set size, is the honest way to add up processes that share memory: a page that four of them have mapped
// counts for a quarter in each. (RSS would count it four times.)

const KIB = 1024;

/** Sum of the Pss lines of a smaps file, of those mappings whose header line passes. */
function sumPss(smaps: string, passes: (header: string) => boolean): number {
  let counts = false;
  let sum = 0;
  for (const line of smaps.split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) counts = passes(line);
    else if (counts && line.startsWith('Pss:')) sum += Number.parseInt(line.slice(4), 10) * KIB;
  }
  return sum;
}

export interface Memory {
  /** What the processes take in all. */
  processes: number;
  /** What of it is the region. */
  region: number;
}

/** Bytes that these processes take together; undefined where the system does not tell. */
export function memoryOf(pids: number[], regionName: string): Memory | undefined {
  const memory = { processes: 0, region: 0 };
  try {
    for (const pid of pids) {
      memory.processes += sumPss(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), () => true);
      memory.region += sumPss(readFileSync(`/proc/${pid}/smaps`, 'utf8'), (header) =>
        header.includes(`/memfd:${regionName}`),
      );
    }
  } catch {
    return undefined;
  }
  return memory;
}

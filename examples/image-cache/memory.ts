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

/** Bytes that these processes take together. Undefined where the system does not tell. */
export function memoryOfProcesses(pids: number[]): number | undefined {
  return add(pids, (pid) => sumPss(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), () => true));
}

/** Bytes that these processes have of a region, together: if they are all that map it, what it takes. */
export function memoryOfRegion(pids: number[], name: string): number | undefined {
  const isRegion = (header: string) =>
    header.includes(`/memfd:${name}`) || header.includes(`/ashmem/${name}`);
  return add(pids, (pid) => sumPss(readFileSync(`/proc/${pid}/smaps`, 'utf8'), isRegion));
}

function add(pids: number[], bytes: (pid: number) => number): number | undefined {
  try {
    return pids.reduce((sum, pid) => sum + bytes(pid), 0);
  } catch {
    return undefined;
  }
}

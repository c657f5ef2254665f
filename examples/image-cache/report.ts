import { median, sum, type Tally } from './tally.ts';

/** What happened in the three parts of a run. */
export interface Phases {
  warmUp: Tally;
  untilPurge: Tally;
  afterPurge: Tally;
}

const COLUMN = 16;
const LABEL = 40;

export const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
const time = (times: number[]) => (times.length === 0 ? '-' : `${median(times).toFixed(2)} ms`);

function row(label: string, ...cells: (string | number)[]): void {
  console.log(label.padEnd(LABEL) + cells.map((cell) => String(cell).padStart(COLUMN)).join(''));
}

export function printTable({ warmUp, untilPurge, afterPurge }: Phases): void {
  const columns = [warmUp, untilPurge, afterPurge, sum([warmUp, untilPurge, afterPurge])];
  const line = (label: string, cell: (tally: Tally) => string | number) => row(label, ...columns.map(cell));
  console.log();
  row('', 'warm-up', 'until the purge', 'after the purge', 'all');
  line('requests', (t) => t.requests);
  line('  verified by checksum', (t) => t.verified);
  line('hits', (t) => t.hits);
  line('  hit rate', (t) => percent(t.hits, t.requests));
  line('  waited for another worker to decode', (t) => t.waited);
  line('misses (decoded)', (t) => t.misses);
  line('purged (found so when pinned)', (t) => t.purged);
  line('  decoded again, and correct', (t) => t.decodedAgain);
  line('  refilled by another worker already', (t) => t.refilledByOther);
  line('time per hit (median)', (t) => time(t.hitTimes));
  line('time per miss (median)', (t) => time(t.missTimes));
}

/** Bytes; undefined is what the system does not tell. */
export interface Memory {
  region: number | undefined;
  privateCaches: number;
  workers: number | undefined;
}

export function printMemory(memory: Memory): void {
  const known = (bytes: number | undefined) => (bytes === undefined ? 'unknown' : mebibytes(bytes));
  console.log();
  row('memory of the shared cache (PSS)', known(memory.region));
  row('one private cache per worker would take', known(memory.privateCaches));
  row('all workers, with code and heap (PSS)', known(memory.workers));
}

/** Says what was to be shown and whether it was. True if all of it was. */
export function printVerdict({ warmUp, untilPurge, afterPurge }: Phases): boolean {
  const all = sum([warmUp, untilPurge, afterPurge]);
  const verdicts: [boolean, string][] = [
    [all.verified === all.requests, 'every image used was verified'],
    [untilPurge.hits > 0.9 * untilPurge.requests, 'more than 90 % hits after warm-up, until the purge'],
    [afterPurge.decodedAgain > 0, 'purged images were decoded again and were correct'],
  ];
  console.log();
  for (const [good, what] of verdicts) console.log(good ? `yes  ${what}` : `NO   ${what}`);
  return verdicts.every(([good]) => good);
}

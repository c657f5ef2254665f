/** Where memory is limited, and what it says of itself. All numbers are bytes. */
export interface Ground {
  readonly kind: 'cgroup-v1' | 'cgroup-v2' | 'machine';
  /** For the sampler: the cgroup's folder, '-' for the whole machine. */
  readonly folder: string;
  readonly limit: number;
  /** What can still be used: clean page cache counts as free. */
  available(): number;
  /** How many processes the OOM killer has killed here so far. */
  kills(): number;
  /** Takes a process in, with all its threads. What it has used before stays charged to where it came from. */
  add(pid: number): void;
  /** Who is in it; undefined for the machine, where everybody is. */
  members(): number[] | undefined;
  /** Kills whoever is in it and takes it away. Safe to repeat. */
  remove(): void;
}

const MIB = 2 ** 20;

/** Where the watermark is unless somebody sets it: bytes that must stay available (docs/pressure.md). Low is twice, critical half of it. */
export function mediumMark(limit: number): number {
  return Math.min(256 * MIB, Math.max(limit / 16, Math.min(16 * MIB, limit / 8)));
}

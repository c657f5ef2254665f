import type { Ground } from '../grounds/ground.ts';
import type { Outcome } from '../run.ts';

/** How the command was called, and what its scenarios leave for each other. */
export interface Bench {
  /** Few runs, short waits. */
  short: boolean;
  /** How many runs of a scenario that would make so many. */
  runs(usual: number): number;
  /** The limited ground of a run. */
  ground: () => Ground;
  /** After each run, for the trace and for people. */
  done(scenario: string, outcome: Outcome): void;
  /** Milliseconds from the watermark to the first byte freed: of those runs that were watched for it and crossed it. */
  latencies: number[];
  /** How many runs were watched for it. */
  watched: number;
}

/** One line of the table. */
export interface Row {
  what: string;
  bar: string;
  measured: string;
  /** Undefined: nothing to judge. */
  met?: boolean;
  skipped?: string;
  /** What went wrong, for people. */
  failures?: string[];
}

export interface Scenario {
  /** For --only. */
  name: string;
  run(bench: Bench): Promise<Row[]>;
}

import { latency } from '../latency.ts';
import { mib } from '../numbers.ts';
import type { Outcome, Plan } from '../run.ts';
import { run } from '../run.ts';
import type { Bench, Row } from './scenario.ts';

/** Runs the same plan so often, each with a seed of its own. */
export async function repeat(
  bench: Bench,
  scenario: string,
  runs: number,
  plan: (seed: number) => Omit<Plan, 'ground' | 'seed'>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let seed = 0; seed < runs; seed++) {
    const outcome = await run({ ground: bench.ground, seed, ...plan(seed) });
    bench.done(scenario, outcome);
    // Only what stands for all of them is kept: tens of thousands of samples each.
    outcomes.push({ ...outcome, samples: thinned(outcome) });
  }
  return outcomes;
}

/** Enough of the samples for latency(): up to the first byte freed. */
function thinned({ samples }: Outcome) {
  let most = 0;
  const freed = samples.findIndex(({ resident }) => {
    if (resident < most) return true;
    most = resident;
    return false;
  });
  return freed < 0 ? samples.slice(-1) : samples.slice(0, freed + 1);
}

export const mibs = (numbers: readonly number[]) =>
  numbers.length === 0 ? '' : `${mib(Math.min(...numbers))} to ${mib(Math.max(...numbers))}`;

/** The row of a scenario all of whose runs must survive. */
export function survivors(what: string, outcomes: readonly Outcome[]): Row {
  const survived = outcomes.filter(({ failures }) => failures.length === 0);
  const purged = survived.map((outcome) => outcome.purged);
  const early = Math.max(...outcomes.map((outcome) => outcome.early));
  return {
    what,
    bar: `${outcomes.length} of ${outcomes.length}`,
    measured: `${survived.length} survive${purged.length > 0 ? `, purged ${mibs(purged)}` : ''}${early > 0 ? `; ${mib(early)} gone before` : ''}`,
    met: survived.length === outcomes.length,
    failures: outcomes.flatMap(({ failures }, i) =>
      failures.length > 0 ? [`run ${i}: ${[...new Set(failures)].join('; ')}`] : [],
    ),
  };
}

export function latencies(outcomes: readonly Outcome[]): number[] {
  return outcomes.map(latency).filter((ms) => ms !== undefined);
}

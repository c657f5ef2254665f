// npm run bench:survive [-- --runs N] [--only WORD] [--short] [--trace FILE] [--vm]: whether processes that share purgeable regions
// survive a neighbour that wants the memory. Exit status 1: a bar is missed; 77: it cannot run here. test/bench/survive/README.md

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../harness/machine.ts';
import { output } from '../harness/paths.ts';
import { asProgram } from '../harness/program.ts';
import { here } from './grounds/choose.ts';
import { machine as wholeMachine } from './grounds/machine.ts';
import { mib } from './numbers.ts';
import { choose, type Options, options } from './options.ts';
import { unpinnedBytes } from './processes/regions.ts';
import { endAll, type Outcome } from './run.ts';
import type { Bench, Row } from './scenarios/scenario.ts';
import { table } from './table.ts';
import { type Curve, curve, writeTrace } from './trace.ts';
import { inVirtualMachines } from './vm.ts';

const inGuest = process.env.ASHMEM_COMPAT_VM === '1';

/** Keeps the first runs of the scenarios that the trace shows. */
class Traces {
  readonly #titles: Record<string, string> = {
    'full-speed': 'with the reclaimer',
    control: 'without it (control)',
  };
  readonly curves: Curve[] = [];
  limit = 0;

  add(scenario: string, outcome: Outcome): void {
    const title = this.#titles[scenario];
    if (title === undefined || this.curves.some((each) => each.title === title)) return;
    this.limit = outcome.limit;
    this.curves.push(curve(title, outcome));
  }
}

let kept = 0;

/** A run that failed and should not have: build/bench/survive/SCENARIO-N.json, for plot.ts. */
function keep(scenario: string, outcome: Outcome): void {
  const folder = join(output, 'survive');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${scenario}-${kept++}.json`);
  writeTrace(path, outcome.limit, [curve(`${scenario}: ${outcome.failures[0]}`, outcome)]);
}

async function play(chosen: Options, bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { name, run } of choose(chosen.only, inGuest)) {
    process.stderr.write(`${name} `);
    const start = performance.now();
    rows.push(...(await run(bench)));
    process.stderr.write(` ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  }
  return rows;
}

function introduce(short: boolean, outcome: Outcome | undefined): void {
  const { cpu, cpus, memoryGiB, kernel, arch, node, date } = machine();
  console.log(
    `${cpu}, ${cpus} CPUs, ${memoryGiB} GiB · ${kernel} ${arch} · Node ${node} · ${date}${short ? ' · short' : ''}`,
  );
  if (outcome) {
    console.log(
      `4 workers, ${mib(unpinnedBytes)} unpinned, limit ${mib(outcome.limit)}, ${mib(outcome.before)} available before the neighbour began.`,
    );
    console.log(
      'The workers are moved into the cgroup once Node has started: that memory of theirs is charged elsewhere.',
    );
  }
  console.log('');
}

async function main(): Promise<number> {
  const chosen = options();
  if (chosen.vm) return await inVirtualMachines(chosen);
  const traces = new Traces();
  let first: Outcome | undefined;
  const bench: Bench = {
    short: chosen.short,
    runs: (usual) => chosen.runs ?? (chosen.short ? Math.min(usual, 3) : usual),
    ground: inGuest ? wholeMachine : here(),
    latencies: [],
    watched: 0,
    done(scenario, outcome) {
      first ??= { ...outcome, samples: [] };
      process.stderr.write(outcome.failures.length === 0 ? '.' : 'x');
      traces.add(scenario, outcome);
      if (outcome.failures.length > 0 && !scenario.includes('control')) keep(scenario, outcome);
    },
  };
  const rows = await play(chosen, bench);
  introduce(chosen.short, first);
  console.log(table(rows));
  if (chosen.trace !== undefined) writeTrace(chosen.trace, traces.limit, traces.curves);
  return rows.every(({ met, skipped }) => met !== false && skipped === undefined) ? 0 : 1;
}

await asProgram(main, endAll);

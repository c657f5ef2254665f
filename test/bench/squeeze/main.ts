// npm run bench:squeeze [-- --short]: hit rates of a cache whose memory a neighbour wants and gives back, in a cgroup of 256 MiB, against caches
// whose size is fixed. Exit status 1: a bar is missed; 77: it cannot run here.
import { parseArgs } from 'node:util';
import { machine } from '../harness/machine.ts';
import { asProgram } from '../harness/program.ts';
import { endAll, type Phase, type Play, play } from './play.ts';

const MIB = 2 ** 20;
const { values } = parseArgs({ options: { short: { type: 'boolean', default: false } } });
const gets = values.short ? 8_000 : 80_000;
const shared = { values: 384, settle: gets, count: gets, seed: 1 };
/** What the neighbour takes, in MiB. */
const squeezes = [0, 120, 0, 60, 0];
const step = values.short ? 16 : 8;

const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
const mebi = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;

/** The largest fixed cache that lives through a phase does best there: Zipf's law rewards every byte. */
async function bestFixed(taken: number): Promise<{ capacity: number; phase: Phase }> {
  for (let mebibytes = 256 - taken; mebibytes > 0; mebibytes -= step) {
    const capacity = mebibytes * MIB;
    const fixed: Play = { ...shared, capacity, reclaimer: false, phases: [taken] };
    // The same gets before those that count as the shrinking cache had in the phase and the one before.
    const phases = await play({ ...fixed, settle: 2 * gets });
    process.stderr.write(phases ? '.' : 'x');
    if (phases) return { capacity, phase: phases[0]! };
  }
  throw new Error('no cache of fixed size lives');
}

async function main(): Promise<number> {
  const phases = await play({ ...shared, capacity: 384 * MIB, reclaimer: true, phases: squeezes });
  if (!phases) {
    console.log('killed for memory');
    return 1;
  }
  const { cpu, cpus, kernel, node, date } = machine();
  const best = new Map<number, Awaited<ReturnType<typeof bestFixed>>>();
  for (const taken of new Set(squeezes)) best.set(taken, await bestFixed(taken));
  process.stderr.write('\n');
  console.log(`${cpu}, ${cpus} CPUs · ${kernel} · Node ${node} · ${date}${values.short ? ' · short' : ''}`);
  console.log(`limit 256 MiB; 384 MiB of values of 64 KiB by Zipf's law; phases of 2 x ${gets} gets\n`);
  let worst = 1;
  for (const [i, { early, settled, resident }] of phases.entries()) {
    const fixed = best.get(squeezes[i]!)!;
    const ratio = settled / fixed.phase.settled;
    if (ratio < worst) worst = ratio;
    console.log(
      `neighbour ${String(squeezes[i]).padStart(3)} MiB: hits ${percent(settled)} (${percent(early)} while it adapts itself), ${mebi(resident)} of values; ` +
        `best fixed cache ${mebi(fixed.capacity)}: ${percent(fixed.phase.settled)}; ratio ${ratio.toFixed(3)}`,
    );
  }
  console.log(`\nno process was killed; the worst ratio is ${worst.toFixed(3)} (bar: at least 0.95)`);
  return worst >= 0.95 ? 0 : 1;
}

await asProgram(main, endAll);

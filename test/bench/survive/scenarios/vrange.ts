import { cgroupV2 } from '../grounds/cgroup-v2.ts';
import type { Ground } from '../grounds/ground.ts';
import { machine } from '../grounds/machine.ts';
import { MIB, mib } from '../numbers.ts';
import type { Appetite } from '../processes/neighbour.ts';
import { unpinnedBytes } from '../processes/regions.ts';
import type { Outcome } from '../run.ts';
import { mibs, repeat, survivors } from './repeat.ts';
import type { Bench, Row, Scenario } from './scenario.ts';

/** Of what is unpinned, what the worker that was told of most losses still has. */
const keptIn = ({ told }: Outcome) => unpinnedBytes - Math.max(...told);

const LEAST = 32 * MIB;

function rowOfDeaths(what: string, outcomes: readonly Outcome[]): Row {
  const dead = outcomes.filter(({ kills }) => kills > 0).length;
  return {
    what,
    bar: `${outcomes.length} of ${outcomes.length} die`,
    measured: `${dead} die of an OOM kill`,
    met: dead === outcomes.length,
  };
}

/**
 * The kernel discards, nobody else: no process has a thread for it, and all event loops are blocked until the neighbour has its memory.
 * Controls: the same memory without vrange, and with vrange but nothing unpinned.
 */
async function survive(
  bench: Bench,
  name: string,
  where: string,
  ground: () => Ground,
  neighbour: (available: number) => Appetite,
): Promise<Row[]> {
  const here = { ...bench, ground };
  const plan = { neighbour, block: 'until done' as const };
  const vrange = { ...plan, backend: 'vrange' as const, reclaimer: true };
  const outcomes = await repeat(here, name, bench.runs(3), () => vrange);
  const control = (end: string, other: typeof plan & { reclaimer: boolean }) =>
    repeat(here, `${name}-control-${end}`, 1, () => other);
  const memfd = await control('memfd', { ...plan, reclaimer: false });
  const pinned = await control('pinned', { ...vrange, ...{ pinned: true } });
  const alive = outcomes.filter(({ failures }) => failures.length === 0);
  const kept = alive.map(keptIn);
  return [
    survivors(`VM: vrange, ${where}, all event loops blocked, no thread that purges`, outcomes),
    {
      what: '... kept of what is unpinned',
      bar: `at least ${mib(LEAST)} of ${mib(unpinnedBytes)}`,
      measured: mibs(kept),
      met: kept.length > 0 && Math.min(...kept) >= LEAST,
    },
    rowOfDeaths('... the same on memfd', memfd),
    rowOfDeaths('... the same with all of it pinned', pinned),
  ];
}

export const vrangeCgroup: Scenario = {
  name: 'vrange-cgroup',
  run: (bench) =>
    survive(
      bench,
      'vrange-cgroup',
      'a cgroup of 256 MiB',
      () => cgroupV2(256 * MIB),
      () => ({ take: 150 * MIB }),
    ),
};

export const vrangeMachine: Scenario = {
  name: 'vrange-machine',
  run: (bench) =>
    survive(bench, 'vrange-machine', 'the whole machine', machine, (available) => ({
      take: available + 100 * MIB,
    })),
};

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { here } from '../survive/grounds/choose.ts';
import type { Ground } from '../survive/grounds/ground.ts';
import { Neighbour } from '../survive/processes/neighbour.ts';
import { within } from '../survive/processes/within.ts';

const MIB = 2 ** 20;

/** A cache in a limited cgroup, and who comes and goes beside it. */
export interface Play {
  /** Bytes. */
  capacity: number;
  reclaimer: boolean;
  /** MiB of all values that are asked for. */
  values: number;
  /** MiB that the neighbour takes, phase by phase; 0: nobody is there. */
  phases: readonly number[];
  /** Gets of a phase until what is there fits it, and those that count. */
  settle: number;
  count: number;
  seed: number;
}

export interface Phase {
  /** Of the gets while the cache adapts itself, and of those after that. */
  early: number;
  settled: number;
  /** Bytes of values that were in memory in the end. */
  resident: number;
}

interface Answer {
  hits: number;
  gets: number;
  resident: number;
}

async function ask<T>(child: ChildProcess, message: unknown): Promise<T> {
  const over = new AbortController();
  const { signal } = over;
  const answer = once(child, 'message', { signal });
  const end = once(child, 'exit', { signal }).then(() => undefined);
  for (const each of [answer, end]) each.catch(() => {}); // of the one that is not waited for any more
  child.send(message as string, () => {});
  const got = await within(300, 'the cache', Promise.race([answer, end]));
  over.abort();
  if (!got) throw new Error('killed');
  return got[0] as T;
}

const running = new Set<Ground>();

export function endAll(): void {
  for (const ground of running) ground.remove();
}

/** What came of each phase; undefined if somebody was killed for memory. */
export async function play(plan: Play): Promise<Phase[] | undefined> {
  const ground = here()();
  running.add(ground);
  const args = [plan.capacity, plan.values, plan.reclaimer ? 1 : 0, plan.seed].map(String);
  const child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), args, {
    execArgv: ['--import', 'tsx'],
  });
  let neighbour: Neighbour | undefined;
  const phases: Phase[] = [];
  try {
    await within(60, 'the start of the cache', once(child, 'message'));
    ground.add(child.pid!);
    await ask(child, 'make');
    for (const taken of plan.phases) {
      if (taken > 0) {
        neighbour = new Neighbour({ take: taken * MIB });
        ground.add(neighbour.pid);
        if ((await neighbour.work(60)) === undefined) return undefined;
      }
      const early = await ask<Answer>(child, plan.settle);
      const settled = await ask<Answer>(child, plan.count);
      phases.push({
        early: early.hits / early.gets,
        settled: settled.hits / settled.gets,
        resident: settled.resident,
      });
      if (neighbour && !neighbour.alive) return undefined;
      await neighbour?.end();
      neighbour = undefined;
    }
    return ground.kills() === 0 ? phases : undefined;
  } catch (error) {
    if (ground.kills() > 0) return undefined;
    throw error;
  } finally {
    await neighbour?.end();
    child.kill('SIGKILL');
    ground.remove();
    running.delete(ground);
  }
}

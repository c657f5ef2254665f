import { native } from '../native.ts';
import { budget, turns } from './budget.ts';
import type { NativeMonitor, NativeVerdict } from './native-types.ts';
import { shares } from './shares.ts';
import { Shrinker, type ShrinkerOptions, type ShrinkerStats } from './shrinker.ts';

/** A registered shrinker. */
export interface RegisteredShrinker extends Disposable {
  /** It is asked no more. Safe to repeat; a scan that is under way is waited for by nobody. */
  unregister(): void;
  /** Also after unregister(). */
  stats(): ShrinkerStats;
}

/** Asks as many of them as have something, turn by turn, for what the verdict leaves to them. */
export class ShrinkerRounds {
  readonly #shrinkers = new Set<Shrinker>();
  #before: NativeVerdict;

  /** @param from what was freed and asked for until this verdict is no shrinker's business */
  constructor(from: NativeVerdict) {
    this.#before = from;
  }

  get size(): number {
    return this.#shrinkers.size;
  }

  add(shrinker: Shrinker): void {
    this.#shrinkers.add(shrinker);
  }

  delete(shrinker: Shrinker): void {
    this.#shrinkers.delete(shrinker);
  }

  /** A verdict has come. */
  round(verdict: NativeVerdict): void {
    const all = [...this.#shrinkers];
    // A verdict from before a scan ended does not know what that has freed; another comes soon.
    if (verdict.at <= this.#before.at || all.some(({ freeSince }) => verdict.at < freeSince)) return;
    const coming = all.reduce((sum, { outstanding }) => sum + outstanding, 0);
    const allowed = budget(this.#before, verdict, coming);
    this.#before = verdict;
    let asked = 0;
    for (const turn of turns) {
      if (allowed[turn] <= asked) continue;
      const givers = all
        .filter((shrinker) => shrinker.turn === turn)
        .map((shrinker) => ({ shrinker, cost: shrinker.cost, count: shrinker.offer() }));
      const amounts = shares(givers, allowed[turn] - asked);
      for (const [i, { shrinker, count }] of givers.entries()) {
        const bytes = amounts[i] ?? 0;
        // Unregistered by one that was asked before it.
        if (bytes === 0 || !this.#shrinkers.has(shrinker)) continue;
        asked += bytes;
        shrinker.shrink(bytes, count);
      }
    }
  }
}

let active: { rounds: ShrinkerRounds; monitor: NativeMonitor } | undefined;

/** The rounds of this thread, driven by a monitor that keeps nothing alive. */
function start(): ShrinkerRounds {
  if (active !== undefined) return active.rounds;
  let rounds: ShrinkerRounds | undefined;
  const monitor = native.openMonitor(2 ** native.pressureSources.length - 1, 0, 0, 0, (verdict) =>
    rounds?.round(verdict),
  );
  rounds = new ShrinkerRounds(native.monitorVerdict(monitor));
  active = { rounds, monitor };
  return rounds;
}

function stopIfIdle(): void {
  if (active === undefined || active.rounds.size > 0) return;
  native.closeMonitor(active.monitor);
  active = undefined;
}

/**
 * Has a cache of the application's own give memory back when memory is short, and the unpinned regions of this process cannot give enough: see
 * `priority` of its options. It is told how many bytes to free: a share in proportion to its count() and cost, never more than it counts, and
 * of all shrinkers together not more than is missing. Needs the event loop: what must not wait for that belongs into a region.
 *
 * What it has freed is measured by count() before and after. An exception, a rejected promise, a result that is no number of bytes, a claim
 * that count() does not bear out, or a promise that does not settle in time: each is counted in stats(), keeps nothing from the other
 * shrinkers, and the first one of a shrinker is a process warning with code ASHMEM_SHRINKER. A shrinker is asked anew only when its last
 * scan has settled, however long that takes.
 *
 * Keeps neither the process nor a worker alive. Works until unregister(), even if nobody refers to the result any more.
 *
 * Errors: TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (priority); RangeError ERR_OUT_OF_RANGE (name, cost, timeLimit);
 * ERR_SYSTEM (pthread_create(3), eventfd(2)).
 */
export function registerShrinker(shrinker: ShrinkerOptions): RegisteredShrinker {
  const made = new Shrinker(shrinker);
  start().add(made);
  const unregister = () => {
    active?.rounds.delete(made);
    stopIfIdle();
  };
  return { unregister, stats: () => made.stats(), [Symbol.dispose]: unregister };
}

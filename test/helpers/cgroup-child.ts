// A program that is run in a limited cgroup, makes memory short there, and prints as JSON what came of it. Usage: cgroup-child.ts SCENARIO
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { PressureMonitor, type PurgeEvent, registerShrinker, SharedRegion } from '../../lib/index.ts';
import { turn } from './turn.ts';

const MiB = 1 << 20;

/** A region that is filled, and unpinned unless it is to stay. */
function filled(size: number, pinned: boolean, options: { reclaimer?: boolean } = {}): SharedRegion {
  const region = SharedRegion.create({ size, ...options });
  new Uint8Array(region.buffer).fill(1);
  if (!pinned) region.unpin();
  return region;
}

/** Memory that nobody can take back. */
const taken: SharedRegion[] = [];
const take = () => taken.push(filled(2 * MiB, true, { reclaimer: false }));

/** Takes more and more, slowly enough for who needs the event loop to keep up. */
async function takeUntil(enough: () => boolean): Promise<void> {
  for (const kept: Buffer[] = []; !enough(); ) {
    kept.push(Buffer.alloc(2 * MiB, 1));
    await wait(10);
  }
}

/** A cache that really has what it counts. */
function cache(bytes: number, onScan: () => void, options: object = {}) {
  const entries = Array.from({ length: bytes / MiB }, () => filled(MiB, true, { reclaimer: false }));
  return registerShrinker({
    name: 'cache',
    count: () => entries.length * MiB,
    scan(wanted) {
      onScan();
      const out = entries.splice(0, Math.ceil(wanted / MiB));
      for (const region of out) region.close();
      return out.length * MiB;
    },
    ...options,
  });
}

const watermarks = { low: 0.5, medium: 0.4, critical: 0.3 };

const scenarios: Record<string, () => Promise<unknown>> = {
  async levels() {
    const monitor = PressureMonitor.start({ sources: ['cgroup-v1', 'cgroup-v2'], watermarks }).ref();
    const states: unknown[] = [];
    monitor.on('level', (_, state) => states.push(state));
    const iterated: string[] = [];
    const iterating = (async () => {
      for await (const { level } of monitor) if (iterated.at(-1) !== level) iterated.push(level);
    })();
    const before = monitor.level;
    while (monitor.level !== 'critical') {
      take();
      await turn();
    }
    while (states.length < 3) await turn();
    for (const region of taken.splice(0)) region.close();
    while ((states.at(-1) as { level: string }).level !== 'none') await once(monitor, 'level');
    monitor.close();
    await iterating;
    return { before, states, iterated };
  },

  /** The event loop does not run between the beginning and the end of this. */
  async blocked() {
    const monitor = PressureMonitor.start({ sources: ['cgroup-v1', 'cgroup-v2'], watermarks });
    const told: string[] = [];
    monitor.on('level', (level) => told.push(level));
    const levels: string[] = [monitor.level];
    while (levels.at(-1) !== 'critical') {
      take();
      const { level } = monitor;
      if (level !== levels.at(-1)) levels.push(level);
    }
    const whileBlocked = [...told];
    while (told.length === 0) await turn();
    return { levels, whileBlocked, told };
  },

  async purged() {
    // The others would be the first to go.
    const others = filled(64 * MiB, false, { reclaimer: false });
    await wait(300);
    const ours = filled(64 * MiB, false);
    const events: PurgeEvent[] = [];
    ours.on('purge', (event) => events.push(event));
    const purged = () => events.reduce((sum, { bytes }) => sum + bytes, 0);
    await takeUntil(() => purged() > 0);
    while (purged() < ours.stats().purged) await turn();
    return {
      reasons: [...new Set(events.map(({ reason }) => reason))],
      heard: purged(),
      purged: ours.stats().purged,
      withoutReclaimer: others.stats().purged,
    };
  },

  async priorities() {
    const regions = (['precious', 'normal', 'cheap'] as const).map((priority) => {
      const region = filled(16 * MiB, false);
      region.priority = priority;
      return region;
    });
    const [precious, normal, cheap] = regions as [SharedRegion, SharedRegion, SharedRegion];
    const gone = (region: SharedRegion) => region.stats().purged / region.size;
    const wrong: number[][] = [];
    // The dearest is looked at first: meanwhile the others can only have lost more.
    const look = () => {
      const [dearest, middle, cheapest] = [gone(precious), gone(normal), gone(cheap)];
      if ((middle > 0 && cheapest < 1) || (dearest > 0 && middle < 1))
        wrong.push([dearest, middle, cheapest]);
      return dearest > 0;
    };
    await takeUntil(look);
    return { wrong };
  },

  async shrinkers() {
    const region = filled(32 * MiB, false);
    const leftAtScan: number[] = [];
    const onScan = () => leftAtScan.push(region.size - region.stats().purged);
    const [small, large] = [cache(24 * MiB, onScan), cache(48 * MiB, onScan)];
    await takeUntil(() => leftAtScan.length >= 8);
    return { leftAtScan, small: small.stats(), large: large.stats() };
  },

  async beside() {
    const region = filled(96 * MiB, false);
    const leftAtScan: number[] = [];
    const cheap = cache(64 * MiB, () => leftAtScan.push(region.size - region.stats().purged), {
      priority: 'cheap',
    });
    const last = cache(16 * MiB, () => {});
    await takeUntil(() => leftAtScan.length > 0);
    return { leftAtScan, cheap: cheap.stats(), last: last.stats() };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]!]!()));
process.exit(0);

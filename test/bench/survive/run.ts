import type { Backend } from '../../../lib/region/options.ts';
import type { Ground } from './grounds/ground.ts';
import { type Appetite, Neighbour } from './processes/neighbour.ts';
import { makeRegions, regionBytes } from './processes/regions.ts';
import { Sampler, type Samples, type Strike } from './processes/sampler.ts';
import { pause } from './processes/within.ts';
import { type Verified, Worker } from './processes/worker.ts';

const WORKERS = 4;

/** What one run tries. */
export interface Plan {
  ground: () => Ground;
  /** Told how many bytes are available before it begins. */
  neighbour: (available: number) => Appetite;
  reclaimer: boolean;
  /** Of the regions; default: memfd. */
  backend?: Backend;
  /** Everything stays pinned. */
  pinned?: boolean;
  /** Milliseconds for which all event loops are blocked, the neighbour beginning within them; or until it is done. */
  block?: number | 'until done';
  strike?: Strike;
  /** Whether Node's own memory is the cgroup's too, as in a deployment: else only what the regions need. */
  inside?: boolean;
  seed: number;
}

export interface Outcome extends Samples {
  limit: number;
  /** Why it does not count as survived; empty if it does. */
  failures: string[];
  kills: number;
  /** Bytes of the unpinned regions that were gone before the neighbour began. */
  early: number;
  /** Bytes available just before the neighbour began. */
  before: number;
  /** When it was told to begin, in milliseconds of the samples' clock. */
  begin: number;
  /** Milliseconds that the neighbour's work took; undefined if it died. */
  took?: number | undefined;
  /** Bytes of the regions that were discarded, as st_blocks tells. */
  purged: number;
  /** The same, as pin() tells the workers that are left. */
  told: number[];
}

/** Everything of a run that must be ended, whatever happens. */
interface Cast {
  ground: Ground;
  workers: Worker[];
  neighbour?: Neighbour;
  sampler?: Sampler;
}

/** Each writes one region, and the first the one that stays pinned. Again, if memory was so short that some of it is gone by then. */
async function fill(workers: readonly Worker[]): Promise<void> {
  await workers[0]!.do('fill', { region: WORKERS, all: true });
  const each = (all: boolean) =>
    Promise.all(workers.map((worker, region) => worker.do<number>('fill', { region, all })));
  await each(true);
  for (let tries = 0; tries < 3; tries++) {
    await pause(50);
    if ((await each(false)).every((bytes) => bytes === 0)) return;
  }
}

/** Starts the workers outside of the limit, or within, and takes them in before they use a byte of the regions. */
async function prepare(cast: Cast, plan: Plan): Promise<void> {
  const { ground, workers } = cast;
  const regions = makeRegions(plan.backend);
  try {
    for (let i = 0; i < WORKERS; i++) workers.push(new Worker(regions.fds, plan.seed, plan.reclaimer));
    const enter = () => workers.forEach(({ pid }) => void ground.add(pid));
    if (plan.inside) enter();
    await Promise.all(workers.map(({ started }) => started));
    if (!plan.inside) enter();
    await Promise.all(workers.map((worker) => worker.do('attach')));
    await Promise.all(workers.map((worker) => worker.do('hold', { all: plan.pinned })));
    await fill(workers);
    const suspects = workers.map(({ pid }) => pid);
    cast.sampler = new Sampler(ground, regions.fds, suspects, plan.strike);
  } finally {
    regions.close();
  }
  await cast.sampler.ready();
}

/** The OOM killer takes members of the cgroup only; so nobody else may be there. */
function expectMembers({ ground, workers, neighbour }: Cast): void {
  const expected = [...workers.map(({ pid }) => pid), neighbour!.pid].sort((a, b) => a - b);
  const members = ground.members()?.sort((a, b) => a - b);
  if (members && members.join() !== expected.join()) throw new Error(`in ${ground.folder}: ${members}`);
}

/** A worker purges by itself if it was told to, and what it has is nobody else's to discard. */
function expectWatchers({ workers }: Cast, plan: Plan): void {
  const expected = plan.reclaimer && (plan.backend ?? 'memfd') === 'memfd';
  for (const worker of workers) {
    if (worker.watches !== expected)
      throw new Error(`worker ${worker.pid} has ${expected ? 'no' : 'a'} thread that purges`);
  }
}

/** What the workers that are left say of their memory. */
async function verify(cast: Cast, outcome: Outcome): Promise<void> {
  const left = cast.workers.filter(({ alive }) => alive);
  const verified = await Promise.all(left.map((worker) => worker.do<Verified>('verify')));
  outcome.told = verified.map(({ lost }) => lost);
  for (const { pinned, untold } of verified) {
    if (pinned > 0) outcome.failures.push(`${pinned} pinned units lost`);
    if (untold > 0) outcome.failures.push(`${untold} units lost and called kept`);
  }
}

async function play(cast: Cast, plan: Plan): Promise<Outcome> {
  const { ground, workers } = cast;
  await prepare(cast, plan);
  await pause(200);
  const kills = ground.kills();
  const before = ground.available();
  cast.neighbour = new Neighbour(plan.neighbour(before));
  ground.add(cast.neighbour.pid);
  expectMembers(cast);
  expectWatchers(cast, plan);
  if (plan.block !== undefined) {
    const ms = plan.block === 'until done' ? undefined : plan.block;
    await Promise.all(workers.map((worker) => worker.do('block', { ms })));
    await pause(Math.min(500, (ms ?? 2000) / 4));
  }

  const begin = Number(process.hrtime.bigint()) / 1e6;
  const took = await cast.neighbour.work(120);
  if (plan.block === 'until done') for (const worker of workers) worker.release();
  await pause(300);
  const { samples, struck } = await cast.sampler!.stop();
  const outcome: Outcome = {
    limit: ground.limit,
    failures: [],
    kills: ground.kills() - kills,
    before,
    begin,
    took,
    samples,
    early: Math.max(0, regionBytes - samples[0]!.resident),
    purged: Math.max(...samples.map(({ resident }) => resident)) - samples.at(-1)!.resident,
    told: [],
  };
  if (struck) outcome.struck = struck;
  if (outcome.kills > 0) outcome.failures.push(`${outcome.kills} killed for memory`);
  if (took === undefined) outcome.failures.push('the neighbour died');
  for (const worker of workers) {
    const meant = worker.pid === struck?.pid && plan.strike?.how === 'kill';
    if (!worker.alive && !meant) outcome.failures.push('a worker died');
  }
  if (plan.strike && !struck) outcome.failures.push('nobody reclaimed, so nobody was struck');
  await cast.neighbour.end();
  workers.find(({ pid }) => pid === struck?.pid)?.signal('SIGCONT');
  await verify(cast, outcome).catch((error: Error) => outcome.failures.push(error.message));
  return outcome;
}

/** All that is running now, for those who must end it when the process is told to end. */
const casts = new Set<Cast>();

function endNow({ ground, workers, sampler }: Cast): void {
  for (const worker of workers) worker.signal('SIGKILL');
  sampler?.kill();
  ground.remove();
}

export function endAll(): void {
  for (const cast of casts) endNow(cast);
}

/** One run, in processes of its own, all of which are gone afterwards. */
export async function run(plan: Plan): Promise<Outcome> {
  const cast: Cast = { ground: plan.ground(), workers: [] };
  casts.add(cast);
  try {
    return await play(cast, plan);
  } finally {
    await Promise.allSettled([...cast.workers.map((worker) => worker.end()), cast.neighbour?.end()]);
    endNow(cast);
    casts.delete(cast);
  }
}

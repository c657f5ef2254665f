import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Backend, probe, SharedRegion } from '../../lib/index.ts';
import { underPressure } from '../helpers/memory-pressure.ts';
import { nativeProgram } from '../helpers/native-program.ts';
import { random } from '../helpers/random.ts';
import { counter, Ledger } from './ledger.ts';

export interface ChaosOptions {
  seconds: number;
  seed: number;
  /** Units of the victim. Few of them make many collisions. */
  units?: number;
  maxProcesses?: number;
  /** C++ processes, which are born and die within a millisecond. */
  workers?: number;
  /** Node processes among them. */
  nodeWorkers?: number;
  /** Attached processes that do nothing: 59 have the others take rows. */
  idle?: number;
  /** Default: the best here. */
  backend?: Backend;
  /** One process more makes the kernel discard what is unpinned, again and again. Only root can. */
  dropCaches?: boolean;
  /** Memory is made short, again and again, so that the kernel discards for its own reasons. In the virtual machine alone. */
  pressure?: boolean;
}

export interface ChaosResult {
  deaths: number;
  operations: number;
  violations: number;
  busy: number;
  told: number;
  checked: number;
  /** File descriptors of the driving process that were not there before. */
  leakedFds: number;
  /** Bytes still held when everybody was gone. */
  leakedPins: number;
  /** Bytes still in memory after a purge of everything. */
  leakedBytes: number;
  /** How often memory was so short that the kernel discarded something. */
  shortages: number;
}

/** Bytes of a unit: the smallest there can be. */
const unit = probe().pageSize;
const workerPath = fileURLToPath(new URL('./worker.ts', import.meta.url));
const hasMemfd = probe().backends.some(({ name, available }) => name === 'memfd' && available);
const openFds = () => readdirSync('/proc/self/fd').length;

/** Lets processes loose on one region for a while, killing and stopping them at random; nothing that was promised may be lost. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seconds, seed, units = 64, workers = 6, nodeWorkers = 2, idle = 0 } = options;
  const fdsBefore = openFds();
  const region = SharedRegion.create({
    name: 'chaos',
    size: units * unit,
    granularity: unit,
    maxProcesses: options.maxProcesses ?? 60,
    // The files that a reclaimer watches stay open for as long as its process lives, and would pass for leaked ones.
    reclaimer: false,
    ...(options.backend ? { backend: options.backend } : {}),
  });
  // Of a backend that cannot lose it, where there is one: it is what the victim is judged by.
  const ledgerRegion = SharedRegion.create({
    name: 'chaos-ledger',
    size: Ledger.bytes(units),
    reclaimer: false,
    ...(hasMemfd ? { backend: 'memfd' } : {}),
  });
  const ledger = new Ledger(ledgerRegion);
  region.unpin();
  const next = random(seed);
  let deaths = 0;
  let failures = 0;
  let over = false;

  const env = { ...process.env, ASHMEM_COMPAT_TEST_BACKEND: region.backend };
  const layout = spawnSync(nativeProgram('region_peer'), ['3', 'layout'], {
    stdio: ['ignore', 'pipe', 'inherit', region.fd],
    env,
  });
  const wordsOffset = String(layout.stdout).trim().split(' ')[1]!;

  const numbers = [workers, seconds, seed, idle].map(String);
  const drop = options.dropCaches ? ['drop'] : [];
  const driver = spawn(nativeProgram('chaos'), ['3', '4', ...numbers, ...drop], {
    stdio: ['ignore', 'pipe', 'inherit', region.fd, ledgerRegion.fd],
    env,
  });
  let printed = '';
  driver.stdout!.on('data', (chunk) => {
    printed += chunk;
  });
  const driverEnd = once(driver, 'exit').then(([code]) => {
    over = true;
    if (code !== 0) failures++;
  });

  const nodeLife = async (): Promise<void> => {
    while (!over) {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', workerPath, `${next(2 ** 31)}`, wordsOffset],
        {
          stdio: ['ignore', 'pipe', 'inherit', region.fd, ledgerRegion.fd],
        },
      );
      // By 'exit' the child has been reaped, but its pid is not given out again so soon.
      const exit = once(child, 'exit');
      const ended = exit.then(([code, signal]) => {
        ledger.clearLocks(child.pid!);
        if (signal === 'SIGKILL') deaths++;
        else if (code !== 0) failures++;
      });
      const attached = once(child.stdout!, 'data');
      const life = attached.then(() => sleep(next(1500)));
      await Promise.race([ended, life, driverEnd]);
      // When the run is over, workers end by themselves, and how they do is part of the test.
      if (!over) child.kill('SIGKILL');
      await ended;
    }
  };
  let shortages = 0;
  const shortLife = async (): Promise<void> => {
    while (!over && (await underPressure(region.backend, () => over))) shortages++;
  };
  const lives = Array.from({ length: nodeWorkers }, nodeLife);
  if (options.pressure) lives.push(shortLife());
  await Promise.all([driverEnd, ...lives]);

  const driverDeaths = Number(/deaths (\d+)/.exec(printed)?.[1] ?? 0);
  const leakedPins = region.stats().pinned;
  region.purge();
  const result = {
    deaths: deaths + driverDeaths,
    operations: ledger.read(counter.operations),
    violations: ledger.read(counter.violations) + failures,
    busy: ledger.read(counter.busy),
    told: ledger.read(counter.told),
    checked: ledger.read(counter.checked),
    leakedPins,
    leakedBytes: region.stats().resident,
    leakedFds: 0,
    shortages,
  };
  region.close();
  ledgerRegion.close();
  // Pipes of the children close a little after them.
  for (let i = 0; i < 200 && openFds() > fdsBefore; i++) await sleep(10);
  result.leakedFds = Math.max(0, openFds() - fdsBefore);
  return result;
}

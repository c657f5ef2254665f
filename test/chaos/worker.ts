// A Node process among the chaos: pins, writes, verifies, unpins, purges, attaches anew, until it is killed or told to stop.
// Usage: worker.ts SEED WORDS_OFFSET, with the victim as fd 3 and the ledger as fd 4. The rules are those of test/native/chaos.cc.
import { writeSync } from 'node:fs';
import { AshmemError, type ByteRange, SharedRegion } from '../../lib/index.ts';
import { random } from '../helpers/random.ts';
import { counter, Ledger, pattern, stateReader } from './ledger.ts';

const next = random(Number(process.argv[2]));
const ledger = new Ledger(SharedRegion.fromFd(4));
const READY = 0;

/** Attaches, however long frozen neighbours make it take. */
function attach(): SharedRegion {
  for (;;) {
    try {
      return SharedRegion.fromFd(3, { busyTimeout: 5 });
    } catch (error) {
      if ((error as AshmemError).code !== 'ERR_REGION_BUSY') throw error;
    }
  }
}

let region = attach();
// From here on its time runs: to be killed while Node starts, which takes seconds in an emulated machine, would test nothing.
writeSync(1, '.');
const unitBytes = region.granularity;
const units = region.size / unitBytes;
const state = stateReader(3, Number(process.argv[3]));

function content(unit: number): Int32Array {
  return new Int32Array(region.buffer, unit * unitBytes, unitBytes / 4);
}

function intact(unit: number): boolean {
  const words = content(unit);
  const seed = ledger.seed(unit);
  for (let i = 0; i < words.length; i++) if (words[i] !== pattern(seed, unit, i)) return false;
  ledger.count(counter.checked);
  return true;
}

function write(unit: number): void {
  ledger.forget(unit);
  const words = content(unit);
  const seed = next(2 ** 31);
  for (let i = 0; i < words.length; i++) words[i] = pattern(seed, unit, i);
  ledger.learn(unit, seed);
}

function violation(what: string, unit: number): void {
  console.error(`VIOLATION ${what}, unit ${unit}, pid ${process.pid}`);
  ledger.count(counter.violations);
}

function lock(unit: number, patiently: boolean): boolean {
  while (!ledger.lock(unit)) {
    if (!patiently) return false;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  return true;
}

function use(first: number, count: number): void {
  const lost: ByteRange[] = [];
  try {
    region.pin(first * unitBytes, count * unitBytes, lost);
  } catch (error) {
    if (!(error instanceof AshmemError) || error.code !== 'ERR_REGION_BUSY') throw error;
    ledger.count(counter.busy);
    return;
  }
  for (let unit = first; unit < first + count; unit++) {
    const at = unit * unitBytes;
    const told = lost.some((range) => at >= range.offset && at < range.offset + range.length);
    if (told) ledger.count(counter.told);
    if (!lock(unit, told)) continue;
    const promised = !told && ledger.known(unit) && state(unit) === READY;
    if (promised && !intact(unit)) violation('kept but lost', unit);
    const writes = told || !ledger.known(unit) || next(2) === 0;
    if (writes) write(unit);
    if ((promised || writes) && !intact(unit)) violation('lost while held', unit);
    ledger.unlock(unit);
  }
  if (next(16) !== 0) region.unpin(first * unitBytes, count * unitBytes);
}

while (ledger.read(counter.stop) === 0) {
  const first = next(units);
  const count = 1 + next(Math.min(4, units - first));
  switch (next(16)) {
    case 0:
      region.close();
      region = attach();
      break;
    case 1:
      region.purge(first * unitBytes);
      break;
    case 2:
      region.pinStatus(first * unitBytes, count * unitBytes);
      break;
    default:
      use(first, count);
  }
  ledger.count(counter.operations);
}

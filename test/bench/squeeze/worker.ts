// A process whose cache is measured: CAPACITY MEBIBYTES-OF-VALUES RECLAIMER(0|1) SEED. Answers 'make' with 'made', and a number with what came of so
// many gets by a Zipf law; what is missing is made and put in.
import { VolatileCache } from '../../../lib/index.ts';
import { check, keyOf, makeValue, zipf } from '../cache/values.ts';

export const valueSize = 64 * 1024;
const [capacity, mebibytes, reclaimer, seed] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
];
const keys = zipf((mebibytes * 2 ** 20) / valueSize, 2 ** 18, seed);
let cache: VolatileCache;
let at = 0;

function get(i: number): boolean {
  const entry = cache.get(keyOf(i));
  if (!entry) {
    cache.set(keyOf(i), makeValue(i, valueSize));
    return false;
  }
  check(entry.bytes, i, valueSize);
  entry.release();
  return true;
}

process.on('message', async (message) => {
  if (message === 'make') {
    cache = VolatileCache.create({
      name: 'squeezed',
      capacity,
      backend: 'memfd',
      reclaimer: reclaimer === 1,
    });
    process.send!('made');
    return;
  }
  let hits = 0;
  const gets = message as number;
  for (let n = 0; n < gets; n++) {
    if (get(keys[at++ % keys.length]!)) hits++;
    if (n % 256 === 0) await new Promise(setImmediate);
  }
  process.send!({ hits, gets, resident: cache.stats().resident });
});
process.send!('ready');

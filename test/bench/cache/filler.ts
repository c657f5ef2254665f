// One of many that want the same missing keys: KEYS MORTAL. Says 'ready'; asks for each key that the parent names; says when it has it. With MORTAL
// a fill begins by telling the parent, which kills whoever tells it first.
import { VolatileCache } from '../../../lib/index.ts';
import { check, keyOf, makeValue } from './values.ts';

const mortal = process.argv[2] === 'mortal';
const cache = VolatileCache.fromFd(4, { reclaimer: false });
process.on('message', async (key: number) => {
  const start = performance.now();
  const entry = await cache.getOrFill(keyOf(key), async () => {
    process.send!({ filling: key });
    // The parent's choice comes before the value does.
    await new Promise((resolve) => setTimeout(resolve, mortal ? 100 : 0));
    return makeValue(key, 4096);
  });
  check(entry.bytes, key, 4096);
  entry.release();
  process.send!({ have: key, ms: performance.now() - start });
});
process.send!('ready');

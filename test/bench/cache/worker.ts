// A worker of a trial: STORE WORD SIZE MILLISECONDS SEED. Says 'ready', and at 'go' gets values for so long; says what that came to, and stays
// until it is told to end, so that its memory can be looked at.
import { readFileSync } from 'node:fs';
import { load, type Name, openStore } from './stores.ts';
import { countOf, zipf } from './values.ts';

/** PSS of this process without files of shared memory, which are counted once and elsewhere. */
function ownMemory(): number {
  let sum = 0;
  let counts = true;
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) counts = !/memfd:|data\.mdb|\/dev\/shm/.test(line);
    else if (counts && line.startsWith('Pss:')) sum += Number(/\d+/.exec(line)![0]) * 1024;
  }
  return sum;
}

const [store, word, sizeText, millisecondsText, seed, countText] = process.argv.slice(2) as [
  Name,
  ...string[],
];
const size = Number(sizeText);
const milliseconds = Number(millisecondsText);
// What the program itself takes is no memory of values.
await load(store);
globalThis.gc?.();
const before = ownMemory();
const client = await openStore(store, word!, size);
const keys = zipf(Number(countText) || countOf(size), 65536, Number(seed));

async function get(times: number, latencies?: number[]): Promise<void> {
  for (let n = 0; n < times; n++) {
    const key = keys[Math.floor(Math.random() * 65536)]!;
    const timed = latencies !== undefined && n % 8 === 0;
    const start = timed ? process.hrtime.bigint() : 0n;
    const pending = client.get(key);
    if (pending) await pending;
    if (timed) latencies.push(Number(process.hrtime.bigint() - start));
  }
}

// Where a large value crosses a socket, or any a channel, a get takes a millisecond.
const slow = store === 'messages' || ((store === 'redis' || store === 'memcached') && size > 2 ** 20);
// Until V8 has compiled what it will: with more processes than processors that takes all of them longer, which is no property of a store.
const warm = process.hrtime.bigint() + 300_000_000n;
do await get(slow ? 20 : 512);
while (process.hrtime.bigint() < warm);
process.on('message', async (message) => {
  if (message === 'end') {
    await client.close();
    process.exit(0);
  }
  if (message !== 'go') return;
  const latencies: number[] = [];
  const windows: number[] = [];
  let gets = 0;
  const start = process.hrtime.bigint();
  const end = start + BigInt(milliseconds) * 1000000n;
  // A window in which somebody else had the processor is one of many: what a get costs is the median of them.
  for (let now = start; now < end; ) {
    // Where a get is not slow a short window would measure the clock.
    const times = slow ? 8 : 512;
    await get(times, latencies);
    gets += times;
    const then = now;
    now = process.hrtime.bigint();
    windows.push(Number(now - then) / times);
  }
  const took = Number(process.hrtime.bigint() - start);
  globalThis.gc?.();
  latencies.sort((a, b) => a - b);
  windows.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.floor((latencies.length - 1) * part)]!;
  const result = {
    gets,
    took,
    cost: windows[windows.length >> 1]!,
    p50: at(0.5),
    p99: at(0.99),
    memory: Math.max(0, ownMemory() - before),
  };
  process.send!({ result });
});
process.send!('ready');

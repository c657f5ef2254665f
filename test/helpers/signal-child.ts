// A program that is told by signals to give memory back. It says "ready", and then on each line of standard input what has come of it.
// Usage: signal-child.ts SIGNAL REGION_MIB SHRINKER_MIB [worker | blocked]
import { createInterface } from 'node:readline';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import {
  listenForShrinkSignal,
  PressureMonitor,
  type PurgeEvent,
  registerShrinker,
  SharedRegion,
} from '../../lib/index.ts';

const MiB = 1 << 20;
const args: string[] = workerData?.args ?? process.argv.slice(2);
const [signal, regionSize, shrinkerSize, how] = args as [string, string, string, string | undefined];
const number = /^\d+$/.test(signal) ? Number(signal) : (signal as 'SIGUSR2');

if (how === 'worker') {
  const worker = new Worker(new URL('./signal-worker.mjs', import.meta.url), {
    workerData: { args: [signal, regionSize, shrinkerSize] },
    stdin: false,
  });
  worker.on('message', (text) => console.log(text));
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'terminate') void worker.terminate().then(() => console.log('terminated'));
  });
} else {
  const say = (text: string) => console.log(text);
  listenForShrinkSignal(number); // not kept: it listens all the same
  const second = listenForShrinkSignal(number);
  const third = listenForShrinkSignal(number);
  const region = regionSize === '0' ? undefined : SharedRegion.create({ size: Number(regionSize) * MiB });
  const purges: PurgeEvent[] = [];
  if (region) {
    new Uint8Array(region.buffer).fill(1);
    region.unpin();
    region.on('purge', (event) => purges.push(event));
  }
  let left = Number(shrinkerSize) * MiB;
  const shrinker = registerShrinker({
    name: 'cache',
    count: () => left,
    scan(bytes) {
      left -= bytes;
      return bytes;
    },
  });
  const monitor = PressureMonitor.start({ sources: ['ashmem'] }); // the machine's own shortages are not what this is about
  const sources: string[] = [];
  monitor.on('level', (level, { source }) => sources.push(`${level} ${source}`.trim()));

  if (how === 'blocked') {
    say('ready');
    // Nothing of this needs an event loop.
    while (region!.stats().purged === 0);
    say(JSON.stringify({ purged: region!.stats().purged, heard: purges.length }));
    process.exit(0);
  }
  if (workerData?.args) {
    setInterval(() => global.gc!(), 5);
    parentPort!.postMessage('ready');
  } else {
    createInterface({ input: process.stdin }).on('line', (line) => {
      global.gc!();
      if (line === 'close') {
        second.close();
        second.close();
        third[Symbol.dispose]();
        // Had the first been collected, nobody would listen any more once its finalizer has run.
        global.gc!();
        setTimeout(() => say('closed'), 50);
      } else {
        // What looks at the region keeps it.
        const closed = region?.closed;
        say(JSON.stringify({ purges, sources, asked: shrinker.stats().asked, closed }));
      }
    });
    say('ready');
  }
}

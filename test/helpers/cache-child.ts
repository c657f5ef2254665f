// A Node process that uses the cache in fd 3, for tests. It says "ready", does what each line that it is sent asks, and answers with a line of JSON.
//   race KEYS: getOrFill of so many keys at once, each fill takes a moment · hang KEY: begins a fill that never ends
//   ask KEY: getOrFill of it, "by PID" · hold KEY: gets it, and keeps it · set KEY VALUE · get KEY · read KEY: tryRead
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { VolatileCache } from '../../lib/index.ts';

const cache = VolatileCache.fromFd(3, { fillTimeout: 120_000 });
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

const commands: Record<string, (...args: string[]) => unknown> = {
  async race(keys) {
    let fills = 0;
    let wrong = 0;
    const ask = async (key: string) => {
      const entry = await cache.getOrFill(key, async () => {
        fills++;
        await sleep(1);
        return Buffer.from(`value of ${key}`);
      });
      if (text(entry.bytes) !== `value of ${key}`) wrong++;
      entry.release();
    };
    await Promise.all(Array.from({ length: Number(keys) }, (_, i) => ask(`race ${i}`)));
    return { fills, wrong };
  },
  hang(key) {
    return new Promise((resolve) => {
      void cache.getOrFill(key!, () => {
        resolve('filling');
        return new Promise(() => {});
      });
    });
  },
  async ask(key) {
    const entry = await cache.getOrFill(key!, () => Buffer.from(`by ${process.pid}`));
    const found = text(entry.bytes);
    entry.release();
    return found;
  },
  hold(key) {
    const entry = cache.get(key!);
    return entry ? text(entry.bytes) : null;
  },
  set(key, value) {
    cache.set(key!, Buffer.from(value!), { meta: { pid: process.pid } });
    return 'done';
  },
  get(key) {
    const entry = cache.get(key!);
    if (!entry) return null;
    const found = text(entry.bytes);
    entry.release();
    return found;
  },
  read: (key) => cache.tryRead(key!, text) ?? null,
};

console.log('"ready"');
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = line.split(' ');
  try {
    console.log(JSON.stringify(await commands[command!]!(...args)));
  } catch (error) {
    console.log(JSON.stringify((error as { code?: string }).code ?? String(error)));
  }
}

// Two machines' worth of processes: on each a cache that all its processes share and that memory pressure may empty; behind both one Redis.
// Here the two "machines" are two caches in one process, and the Redis is started for the purpose. Needs Debian's redis-server.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import KeyvRedis from '@keyv/redis';
import { Cacheable } from 'cacheable';
import { Keyv } from 'keyv';
import { VolatileCache } from '../../lib/index.ts';
import { KeyvVolatile } from '../../lib/keyv/keyv.ts';

const folder = mkdtempSync(join(tmpdir(), 'redis-behind-'));
const path = join(folder, 'socket');
const server = spawn('redis-server', ['--port', '0', '--unixsocket', path, '--save', '', '--dir', folder], {
  stdio: 'ignore',
});
const ended = new Promise<never>((_, reject) => {
  server.once('error', reject);
  server.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
});
// Ended at the end of the program, it is no error any more.
ended.catch(() => {});

/** What a process of a machine has: the machine's cache, and Redis behind it. */
function machine(name: string) {
  const memory = VolatileCache.create({ name, capacity: 16 * 2 ** 20 });
  const primary = new Keyv({ store: new KeyvVolatile(memory) });
  const secondary = new Keyv({ store: new KeyvRedis({ socket: { path, tls: false } }) });
  return { memory, cache: new Cacheable({ primary, secondary }) };
}

async function main(): Promise<void> {
  while (!existsSync(path)) await Promise.race([wait(10), ended]);
  const one = machine('machine-one');
  const two = machine('machine-two');

  await one.cache.set('report', { pages: 12 });
  console.log('one, from its own memory:', await one.cache.get('report'));
  console.log('two, from Redis:', await two.cache.get('report'));
  console.log('two, entries in its own memory now:', two.memory.stats().entries);

  // Memory gets short on machine one: all that nobody holds may go.
  console.log('one, discarded:', one.memory.purge() > 0);
  console.log('one, from Redis again:', await one.cache.get('report'));

  server.removeAllListeners('exit');
  await Promise.all([one.cache.disconnect(), two.cache.disconnect()]);
  one.memory.close();
  two.memory.close();
}

try {
  await main();
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}

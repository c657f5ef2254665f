// 8 processes ask for one missing key at once, KEYS times; with MORTAL whoever fills first is killed each time. Prints the fills, per key, and the
// longest wait in ms, from the question to the value.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { VolatileCache } from '../../../lib/index.ts';

const [keysText, mortalText] = process.argv.slice(2) as [string, string?];
const isMortal = mortalText === 'mortal';
const cache = VolatileCache.create({
  name: 'flight',
  capacity: 2 ** 25,
  maxProcesses: 120,
  reclaimer: false,
});
const filler = fileURLToPath(new URL('../cache/filler.ts', import.meta.url));
type Said = 'ready' | { filling: number } | { have: number; ms: number };

let fills = 0;
let longest = 0;
let victim: ChildProcess | undefined;
let mayKill = false;
let waiting = 0;
let done: () => void = () => {};

async function start(): Promise<ChildProcess> {
  const child = fork(filler, [isMortal ? 'mortal' : 'immortal'], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', cache.fd],
  });
  await once(child, 'message');
  child.on('message', (said: Said) => {
    if (said === 'ready') return;
    if ('filling' in said) {
      fills++;
      if (!mayKill) return;
      mayKill = false;
      victim = child;
      child.kill('SIGKILL');
      if (--waiting === 0) done();
    } else {
      longest = Math.max(longest, said.ms);
      if (--waiting === 0) done();
    }
  });
  return child;
}

const children = await Promise.all(Array.from({ length: 8 }, start));
for (let key = 0; key < Number(keysText); key++) {
  mayKill = isMortal;
  waiting = children.length;
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  for (const child of children) child.send(key);
  await all;
  if (victim) children[children.indexOf(victim)] = await start();
  victim = undefined;
}
for (const child of children) child.kill('SIGKILL');
console.log(JSON.stringify({ fills: [fills / Number(keysText)], longest: [longest] }));
process.exit(0);

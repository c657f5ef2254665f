// Gets of values that are there: STORE SIZE PROCESSES MILLISECONDS [COUNT]. Prints the nanoseconds of a get, the gets a second of all processes,
// and the memory that the values take.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createStore, type Name } from '../cache/stores.ts';
import { countOf, makeValue } from '../cache/values.ts';

const [kind, sizeText, processesText, milliseconds, countText] = process.argv.slice(2) as [Name, ...string[]];
const size = Number(sizeText);
const count = Number(countText) || countOf(size);
const store = await createStore(kind, size, count);
const worker = fileURLToPath(new URL('../cache/worker.ts', import.meta.url));
const values = kind === 'messages' ? Array.from({ length: count }, (_, i) => makeValue(i, size)) : [];

interface Outcome {
  gets: number;
  took: number;
  cost: number;
  p50: number;
  p99: number;
  memory: number;
}

const workers = Array.from({ length: Number(processesText) }, (_, i) => {
  const args = [kind, store.word, size, milliseconds, i + 1, count].map(String);
  const child = fork(worker, args, {
    execArgv: ['--expose-gc', '--import', 'tsx'],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...store.fds],
  });
  let result: (outcome: Outcome) => void = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: unknown) => {
      if (typeof message === 'number') child.send(values[message]!);
      else if (message === 'ready') resolve();
      else result((message as { result: Outcome }).result);
    });
    child.on('exit', (code) => code !== 0 && reject(new Error(`a worker ended with ${code}`)));
  });
  const outcome = new Promise<Outcome>((resolve) => {
    result = resolve;
  });
  return { child, ready, outcome };
});
await Promise.all(workers.map(({ ready }) => ready));
for (const { child } of workers) child.send('go');
const outcomes = await Promise.all(workers.map(({ outcome }) => outcome));
const pss = (pid: number) =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0) * 1024;
const memory =
  outcomes.reduce((sum, outcome) => sum + outcome.memory, 0) +
  (store.file?.() ?? 0) +
  (store.server === undefined ? 0 : pss(store.server)) +
  (kind === 'messages' ? count * size : 0);
for (const { child } of workers) {
  child.send('end');
  await once(child, 'exit');
}
await store.close();
console.log(
  JSON.stringify({
    [`${kind} cost`]: outcomes.map(({ cost }) => cost),
    [`${kind} p50`]: outcomes.map(({ p50 }) => p50),
    [`${kind} p99`]: outcomes.map(({ p99 }) => p99),
    [`${kind} rate`]: [outcomes.reduce((sum, { took, gets }) => sum + (gets / took) * 1e9, 0)],
    [`${kind} memory`]: [memory],
  }),
);
process.exit(0);

// npm run chaos -- --seconds N --seed S [--units N] [--slots N] [--workers N] [--node-workers N] [--idle N] [--backend NAME]
//   [--pressure]
// Where the kernel discards by itself, it is made to do so by a process that writes to /proc/sys/vm/drop_caches, if we are root; with
// --pressure also by taking memory until there is too little, in the virtual machine alone (npm run vm).
import { parseArgs } from 'node:util';
import { type Backend, probe } from '../../lib/index.ts';
import { backends, knownBackends } from '../contract/backends.ts';
import { pressureRefused } from '../helpers/memory-pressure.ts';
import { chaos } from './run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
    units: { type: 'string', default: '64' },
    slots: { type: 'string', default: '60' },
    workers: { type: 'string', default: '6' },
    'node-workers': { type: 'string', default: '2' },
    idle: { type: 'string', default: '0' },
    backend: { type: 'string' },
    pressure: { type: 'boolean', default: false },
  },
});

function refuse(reason: string): never {
  console.error(`chaos: refused: ${reason}`);
  process.exit(2);
}

const shared = backends.filter((one) => one.shared);
const backend = values.backend ? shared.find(({ name }) => name === values.backend) : shared[0];
if (!backend) {
  const report = probe().backends.find(({ name }) => name === values.backend);
  refuse(`no ${values.backend}, of ${knownBackends.join(', ')}, to share here: ${report?.reason}`);
}
const refusal = values.pressure && pressureRefused();
if (refusal) refuse(refusal);
const dropCaches = backend.kernelDiscards && typeof backend.provoke === 'function';
console.log(`chaos for ${values.seconds} s, seed ${values.seed}, on ${backend.name}`);
if (backend.kernelDiscards && !dropCaches) console.log(`without discards by the kernel: ${backend.provoke}`);
const result = await chaos({
  seconds: Number(values.seconds),
  seed: Number(values.seed),
  units: Number(values.units),
  maxProcesses: Number(values.slots),
  workers: Number(values.workers),
  nodeWorkers: Number(values['node-workers']),
  idle: Number(values.idle),
  backend: backend.name as Backend,
  dropCaches,
  pressure: values.pressure,
});
for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(12)} ${value}`);
const bad = result.violations + result.leakedFds + result.leakedPins + result.leakedBytes;
process.exit(bad === 0 ? 0 : 1);

// npm run chaos -- --seconds N --seed S [--units N] [--slots N] [--workers N] [--node-workers N] [--idle N]
import { parseArgs } from 'node:util';
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
  },
});
console.log(`chaos for ${values.seconds} s, seed ${values.seed}`);
const result = await chaos({
  seconds: Number(values.seconds),
  seed: Number(values.seed),
  units: Number(values.units),
  maxProcesses: Number(values.slots),
  workers: Number(values.workers),
  nodeWorkers: Number(values['node-workers']),
  idle: Number(values.idle),
});
for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(12)} ${value}`);
const bad = result.violations + result.leakedFds + result.leakedPins + result.leakedBytes;
process.exit(bad === 0 ? 0 : 1);

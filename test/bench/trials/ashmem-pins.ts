// pin + unpin of a unit of an ashmem region that this object holds already, and of one that another process holds. Arguments: pairs
// per batch, batches. With `hold` instead: that other process, which has the region in fd 3.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { measure, report } from './measure.ts';
import { SharedRegion } from './package.ts';

const [pairs = 0, batches = 0] = process.argv.slice(2).map(Number);

function pinPairs(region: ReturnType<typeof SharedRegion.create>, unit: number) {
  return (count: number) => {
    for (let i = 0; i < count; i++) {
      region.pin(unit, unit);
      region.unpin(unit, unit);
    }
  };
}

if (process.argv[2] === 'hold') {
  SharedRegion.fromFd(3).pin();
  process.send!('held');
  setInterval(() => {}, 1e6);
} else {
  const region = SharedRegion.create({ size: 2 ** 20, backend: 'ashmem' });
  const unit = region.granularity;
  const nodeNested = measure(batches, pairs, pinPairs(region, unit));
  region.unpin();
  const holder = spawn(process.execPath, [...process.execArgv, process.argv[1]!, 'hold'], {
    stdio: ['ignore', 'inherit', 'inherit', region.fd, 'ipc'],
  });
  await once(holder, 'message');
  const nodeBeside = measure(batches, pairs, pinPairs(region, unit));
  holder.kill('SIGKILL');
  report({ nodeNested, nodeBeside });
}

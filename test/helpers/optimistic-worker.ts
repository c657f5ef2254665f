// Reads the region in workerData.fd until it has met a thousand losses, refilling each; posts how many those were.
import { parentPort, workerData } from 'node:worker_threads';
import { SharedRegion } from '../../lib/index.ts';

const { fd, means, page } = workerData;
const region = SharedRegion.fromFd(fd);
const reader = region.optimistic({ means, refill: (bytes) => bytes.fill(1) });
let losses = 0;
for (let i = 0; losses < 1000; i++) {
  const at = (i % 64) * page;
  const { value, state, lost } = reader.read(at, page, (bytes) => bytes.reduce((sum, byte) => sum + byte, 0));
  if (state === 'kept' && value !== page && value !== 0)
    throw new Error(`a unit that is half lost: ${value}`);
  losses += lost.length;
}
region.close();
parentPort!.postMessage(losses);

// Reads the region in workerData.fd until it has met two hundred losses, refilling each; posts how many those were.
import { parentPort, workerData } from 'node:worker_threads';
import { SharedRegion } from '../../lib/index.ts';

const { fd, means, page } = workerData;
const region = SharedRegion.fromFd(fd);
const reader = region.optimistic({ means, refill: (bytes) => bytes.fill(1) });
let losses = 0;
for (let i = 0; losses < 200; i++) {
  const at = (i % 64) * page;
  // What the other one is refilling at this moment may be read in part: a writer is not detected.
  const { lost } = reader.read(at, page, (bytes) => bytes.reduce((sum, byte) => sum + byte, 0));
  losses += lost.length;
}
region.close();
parentPort!.postMessage(losses);
